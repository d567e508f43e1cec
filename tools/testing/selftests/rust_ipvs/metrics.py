#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ripvsadm metrics: what its listener and its file say, beside what the kernel does.

$PROMETHEUS is the folder of promtool, node_exporter and Prometheus' parser (lab prometheus).
"""

import http.client
import itertools
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.tap import case, equal, note, run, Skip, true, until

A, B = '10.0.2.11', '10.0.2.12'
SIX = 'fd00:2::b'
LONG = bool(os.environ.get('LONG'))
PROMETHEUS = os.environ.get('PROMETHEUS') or ''
OPENMETRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8'
TEXT = 'text/plain; version=0.0.4; charset=utf-8'

SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)')


class Listener:
    """`ripvsadm metrics --listen` in the director's namespace."""

    def __init__(self, *words):
        with g.director:
            self.program = subprocess.Popen(
                ['ripvsadm', 'metrics', '--listen', '0', *words], stdout=subprocess.PIPE, text=True
            )
        line = self.program.stdout.readline()
        self.port = int(re.search(r'//127\.0\.0\.1:(\d+)/metrics\n$', line)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.kill()
        self.program.wait()
        self.program.stdout.close()

    def ask(self, path='/metrics', method='GET', accept=None, port=None):
        """One request: the response, with its body as text."""
        with g.director:
            client = http.client.HTTPConnection('127.0.0.1', port or self.port, timeout=60)
            client.request(method, path, headers={'Accept': accept} if accept else {})
            response = client.getresponse()
            response.text = response.read().decode()
            client.close()
        return response

    def samples(self):
        """All samples of a scrape."""
        response = self.ask()
        equal(response.status, 200, 'status')
        return samples(response.text)


def samples(text):
    """Values by name and labels; nothing may be there twice, or outside of its family."""
    found = {}
    family = None
    for line in text.splitlines():
        if line.startswith('# TYPE '):
            family = line.split()[2]
        if line.startswith('#'):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        key = name, frozenset(LABEL.findall(labels or ''))
        true(key not in found, f'{line} is there twice')
        true(name.startswith(family), f'{line} in the family {family}')
        found[key] = float(value)
    return found


def value(found, name, **labels):
    """The value of the one sample with these labels, and perhaps others."""
    want = set(labels.items())
    values = [number for (key, has), number in found.items() if key == name and want <= has]
    equal(len(values), 1, f'samples of {name} with {labels}')
    return values[0]


def set_up():
    """Services of all kinds, two of which differ in nothing but the family of their mark."""
    ipvs.service(f'-t {VIP}:80', '-m', [f'{A}:80', f'{B}:80'])
    ipvs.admin(f'-e -t {VIP}:80 -r {B}:80 -m -w 0 -x 10 -y 5')
    ipvs.service(f'-u [{VIP6}]:53', '-m', [f'[{SIX}]:53'], '-s sh -b sh-port -p 60')
    ipvs.service('-f 10', '-m', [f'{A}:0'])
    ipvs.service('-f 10 -6', '-m', [f'[{SIX}]:0'], '-s wlc -p 50 -M 64')


@case('E-1 E-6 K-7 K-9 metrics of every kind of service are what the kernel counts', fresh=True)
def kinds():
    set_up()
    tcp = dict(local_address=VIP, local_port='80', proto='TCP', local_mark='', family='ipv4')
    at_a = dict(tcp, remote_address=A, remote_port='80')
    at_b = dict(tcp, remote_address=B, remote_port='80')
    with Listener() as listener, Connection(g.client, VIP) as open_one:
        open_one.echo()
        until(lambda: ipvs.stats(f'{VIP}:80').conns == 1, 'the connection is counted', 5)
        found = listener.samples()
        equal(value(found, 'ripvs_up'), 1, 'up')
        stats, total = ipvs.stats(f'{A}:80'), ipvs.total()
        for name, at in ('connections', 0), ('incoming_packets', 1), ('outgoing_bytes', 4):
            equal(value(found, f'ripvs_{name}_total'), total[at], f'{name} of the namespace')
            for kind, labels in ('service', tcp), ('backend', at_a):
                number = value(found, f'ripvs_{kind}_{name}_total', **labels)
                equal(number, stats[at], f'{name} of the {kind}')
        for name, of_a, of_b in (
            ('connections_active', 1, 0),
            ('connections_inactive', 0, 0),
            ('weight', 1, 0),
            ('connections_total', 1, 0),
        ):
            equal(value(found, f'ripvs_backend_{name}', **at_a), of_a, f'{name} of A')
            equal(value(found, f'ripvs_backend_{name}', **at_b), of_b, f'{name} of B')
        equal(value(found, 'ripvs_backend_upper_threshold'), 10, 'upper threshold')
        equal(value(found, 'ripvs_backend_threshold_reached', **at_b), 0, 'threshold reached')
        equal(value(found, 'ripvs_services'), 4, 'services')
        equal(value(found, 'ripvs_service_backends', **tcp), 2, 'backends')
        mark = dict(local_address='', local_port='0', proto='FWM', local_mark='0000000A')
        six = value(found, 'ripvs_service_persistence_seconds', family='ipv6', **mark)
        equal(six, 50, 'the IPv6 service of the mark')
        value(found, 'ripvs_backend_weight', family='ipv4', remote_address=A, **mark)
        scheduler = dict(scheduler='sh', scheduler_flags='sh-port', persistent='1')
        value(found, 'ripvs_service_info', local_address=VIP6, family='ipv6', **scheduler)
        entries = value(found, 'ripvs_connection_table_entries')
        equal(entries, len(ipvs.rows()), 'connections in the table')
        buckets = value(found, 'ripvs_connection_table_buckets')
        true(f'size={buckets:.0f})' in ipvs.admin('-Ln', quiet=True), f'{buckets} buckets')
        equal(value(found, 'ripvs_kernel_info', module=g.module, version='1.2.1'), 1, 'module')
        parts = [number for (name, _), number in found.items() if name.endswith('_success')]
        true(len(parts) >= 5 and set(parts) == {1}, f'parts that succeeded: {parts}')


@case('E-10 zeroing starts counters again; what is current stays', fresh=True)
def zero():
    ipvs.service(f'-t {VIP}:80', '-m', [f'{A}:80'])
    with Listener() as listener, Connection(g.client, VIP) as open_one:
        open_one.echo()
        until(lambda: ipvs.stats(f'{VIP}:80').conns == 1, 'the connection is counted', 5)
        equal(value(listener.samples(), 'ripvs_backend_connections_total'), 1, 'connections')
        ipvs.admin('-Z')
        found = listener.samples()
        equal(value(found, 'ripvs_backend_connections_total'), 0, 'connections afterwards')
        equal(value(found, 'ripvs_backend_connections_active'), 1, 'active ones afterwards')
        ask(g.client, VIP)
        until(
            lambda: value(listener.samples(), 'ripvs_backend_connections_total') == 1,
            'the next connection is counted',
            5,
        )
        equal(value(listener.samples(), 'ripvs_exporter_scrape_errors_total'), 0, 'errors')


@case('daemons that run are told with their interface, whatever its name is')
def daemons():
    found = samples(g.director.run('ripvsadm metrics', quiet=True))
    equal(value(found, 'ripvs_sync_daemon_running', role='backup'), 0, 'no daemon')
    # Of what the kernel takes for a name, only these have a meaning in a label.
    name, escaped = r'"}\n1', r'\"}\\n1'
    g.director.run(['ip', 'link', 'add', name, 'type', 'dummy'])
    g.director.run(['ip', 'link', 'set', name, 'up'])
    g.director.run(['ip', 'address', 'add', '10.0.8.1/24', 'dev', name])
    ipvs.admin(f'--start-daemon backup --mcast-interface {name} --syncid 7')
    try:
        found = samples(g.director.run('ripvsadm metrics', quiet=True))
        equal(value(found, 'ripvs_sync_daemon_running', role='backup'), 1, 'backup')
        equal(value(found, 'ripvs_sync_daemon_running', role='master'), 0, 'master')
        value(found, 'ripvs_sync_daemon_info', role='backup', interface=escaped, sync_id='7')
    finally:
        ipvs.admin('--stop-daemon backup')
        g.director.run(['ip', 'link', 'delete', name])


@case('clients get the format that they ask for, /metrics, GET and HEAD only')
def requests():
    set_up()
    with Listener() as listener:
        for accept, media_type in ((None, TEXT), ('text/plain', TEXT), (OPENMETRICS, OPENMETRICS)):
            response = listener.ask(accept=accept)
            equal(response.getheader('Content-Type'), media_type, f'media type for {accept}')
            equal(response.text.endswith('\n# EOF\n'), media_type == OPENMETRICS, 'its end')
        head = listener.ask(method='HEAD')
        true(int(head.getheader('Content-Length')) > 1000, 'length of what HEAD does not send')
        for path, method, status in (('/', 'GET', 404), ('/metrics', 'POST', 405)):
            equal(listener.ask(path, method).status, status, f'status of {method} {path}')
        url = f'http://127.0.0.1:{listener.port}/metrics'
        fetched = g.director.run(['curl', '-sS', url], quiet=True)
        true('\nripvs_services 4\n' in fetched, 'curl fetches them')
        # From elsewhere it cannot be reached.
        refused = g.client.run(['curl', '-sS', url.replace('127.0.0.1', VIP)], check=False)
        true('ripvs_' not in refused and g.client.status != 0, 'the client reaches the listener')
        listener.program.send_signal(signal.SIGTERM)
        equal(listener.program.wait(20), 0, 'exit code after SIGTERM')


@case('a file is replaced as a whole, and everybody may read it')
def to_file():
    set_up()
    with tempfile.TemporaryDirectory() as folder:
        file = f'{folder}/ipvs.prom'
        for _ in range(2):
            g.director.run(['sh', '-c', f'umask 077; ripvsadm metrics --file {file}'])
            with open(file, encoding='utf-8') as opened:
                found = samples(opened.read())
            equal(value(found, 'ripvs_services'), 4, 'services')
            equal(stat.S_IMODE(os.stat(file).st_mode), 0o644, 'mode')
            equal(os.listdir(folder), ['ipvs.prom'], 'files')
        words = g.director.run(f'ripvsadm metrics --file {folder}/none/x', check=False)
        equal((g.director.status, words.count('\n')), (1, 1), f'"{words}": exit code and lines')


@case('a scrape loads no module, and finds the one that comes')
def module_goes():
    with Listener() as listener:
        equal(value(listener.samples(), 'ripvs_up'), 1, 'up')
        g.unload()
        found = listener.samples()
        equal(value(found, 'ripvs_up'), 0, 'up without the module')
        equal(value(found, 'ripvs_exporter_scrape_errors_total'), 1, 'errors')
        true(not g.loaded() and not os.path.isdir('/sys/module/ip_vs'), 'the scrape loaded it')
        g.load()
        set_up()
        equal(value(listener.samples(), 'ripvs_services'), 4, 'services of the new module')


@case("a user with CAP_NET_ADMIN and root's group, as of the unit, reads everything")
def as_unit():
    set_up()
    user = ['setpriv', '--reuid', '12345', '--regid', '12345', '--inh-caps', '+net_admin']
    user += ['--ambient-caps', '+net_admin', '--bounding-set', '-all,+net_admin']
    # The family RIPVS has the number of connections; with C IPVS only a file has it.
    closed = {'status'} if g.impl == 'c' else set()
    for groups, failed in (('0', set()), ('12345', closed)):
        words = [*user, '--groups', groups, 'ripvsadm', 'metrics']
        found = samples(g.director.run(words))
        name = 'ripvs_scrape_collector_success'
        parts = {dict(labels)['collector']: n for (of, labels), n in found.items() if of == name}
        missing = {part for part, n in parts.items() if not n}
        equal(missing, failed, f'what cannot be read with the group {groups}')
        equal(value(found, 'ripvs_services'), 4, 'services')
    words = g.director.run(['setpriv', '--reuid', '12345', 'ripvsadm', 'metrics'], check=False)
    true('CAP_NET_ADMIN' in words and g.director.status == 2, f'without the capability: {words}')


@case('many scrapes in a row cost no memory')
def many():
    set_up()
    times = 1000 if LONG else 100
    with Listener() as listener:

        def resident():
            with open(f'/proc/{listener.program.pid}/status', encoding='ascii') as file:
                return int(re.search(r'VmRSS:\s+(\d+)', file.read())[1])

        for _ in range(20):
            listener.ask()
        before = resident()
        for _ in range(times):
            listener.ask(accept=OPENMETRICS)
        after = resident()
        note(f'{before} KiB before, {after} KiB after {times} scrapes')
        true(after <= before + 64, f'memory grew from {before} to {after} KiB')
        scrapes = value(listener.samples(), 'ripvs_exporter_scrapes_total')
        equal(scrapes, times + 21, 'scrapes')


@case('a table that changes while it is read gives no sample twice, and no failure')
def changing():
    vips = [f'10.8.{n}.1:80' for n in range(150)]
    add = [f'-A -t {vip} -s rr\n-a -t {vip} -r {A}:80 -m\n' for vip in vips]
    delete = [f'-D -t {vip}\n' for vip in vips]
    # What one call of the tool changes, the kernel may change at once.
    files = [''.join(lines[n : n + 15]) for lines in (add, delete) for n in range(0, 150, 15)]
    ended = threading.Event()
    rounds = []

    def change():
        for rules in itertools.cycle(files):
            if ended.is_set():
                break
            rounds.append(g.director.run('ripvsadm -R', quiet=True, stdin=rules))

    changer = threading.Thread(target=change)
    changer.start()
    try:
        with Listener() as listener:
            seen = set()
            for _ in range(15):
                found = listener.samples()
                equal(value(found, 'ripvs_up'), 1, 'up')
                seen.add(value(found, 'ripvs_services'))
            equal(value(found, 'ripvs_exporter_scrape_errors_total'), 0, 'errors')
    finally:
        ended.set()
        changer.join()
    note(f'{len(rounds)} files of changes; numbers of services: {sorted(seen)}')
    true(len(seen) > 1 and set(rounds) == {''}, f'changes: {set(rounds)}')


def need_prometheus():
    if not os.path.isdir(PROMETHEUS):
        raise Skip('PROMETHEUS names no folder of promtool and its parser')


@case("promtool has nothing to say to the metrics, and Prometheus' parsers take them")
def checked():
    need_prometheus()
    sys.path.insert(0, f'{PROMETHEUS}/python')
    # They were compiled where they are.
    sys.pycache_prefix = None
    from prometheus_client import parser
    from prometheus_client.openmetrics import parser as strict_parser

    set_up()
    ipvs.admin('--start-daemon master --mcast-interface back')
    text = g.director.run('ripvsadm metrics', quiet=True)
    strict = g.director.run('ripvsadm metrics --openmetrics', quiet=True)
    ipvs.admin('--stop-daemon master')
    families = list(parser.text_string_to_metric_families(text))
    also = list(strict_parser.text_string_to_metric_families(strict))
    count = sum(len(family.samples) for family in families)
    equal(count, len(samples(text)), 'samples of the parser of text')
    equal(sum(len(family.samples) for family in also), count, 'samples of the strict parser')
    by_type = {family.name: family.type for family in also}
    equal(by_type['ripvs_backend_incoming_bytes'], 'counter', 'a type')
    equal(by_type['ripvs_service'], 'info', 'a type')
    said = g.director.run([f'{PROMETHEUS}/bin/promtool', 'check', 'metrics'], stdin=text)
    equal(said, '', 'words of promtool')


@case("node_exporter's metrics are among them, by another prefix", fresh=True)
def beside_node_exporter():
    need_prometheus()
    set_up()
    # Its copy is near: the folder is on a slow file system.
    exporter = shutil.copy(f'{PROMETHEUS}/bin/prometheus-node-exporter', '/tmp/node_exporter')
    with Listener() as listener, Connection(g.client, VIP) as open_one:
        open_one.echo()
        until(lambda: ipvs.stats(f'{VIP}:80').conns == 1, 'the connection is counted', 5)
        with g.director:
            program = subprocess.Popen(
                [exporter, '--collector.disable-defaults', '--collector.ipvs']
                + ['--web.listen-address=127.0.0.1:9100'],
                stderr=subprocess.DEVNULL,
            )

        def theirs():
            try:
                return listener.ask(port=9100).text
            except OSError:
                return None

        try:
            lines = until(theirs, 'node_exporter answers', 60).splitlines()
        finally:
            program.kill()
            program.wait()
            os.unlink(exporter)
        found = listener.samples()
        wanted = [line for line in lines if line.startswith('node_ipvs_')]
        true(len(wanted) >= 5 + 3 * 5, f'samples of node_exporter: {len(wanted)}')
        for line in wanted:
            name, labels, number = SAMPLE.match(line).groups()
            labels = dict(LABEL.findall(labels or ''))
            ours = value(found, name.replace('node_ipvs_', 'ripvs_'), **labels)
            equal(ours, float(number), line)


if __name__ == '__main__':
    run(g)
