#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ripvsadm apply, diff and export: the table as a file that says what is to be."""

import os
import subprocess
import tempfile
import threading

from harness import ipvs
from harness.clients import ask
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.ripvs import Ripvs
from harness.tap import case, equal, note, run, true, until

SERVERS = ['10.0.2.11', '10.0.2.12', '10.0.2.13']
SIX = 'fd00:2::b'
FOLDER = tempfile.mkdtemp(prefix='ripvs-apply-')

KINDS = f"""\
-A -t {VIP}:80 -s wrr -p 300 -M 255.255.255.0
-a -t {VIP}:80 -r {SERVERS[0]}:8080 -m -w 2 -x 10 -y 5
-a -t {VIP}:80 -r {SERVERS[1]}:8080 -m -w 0
-a -t {VIP}:80 -r {SERVERS[2]} -i --tun-type gue --tun-port 6080 --tun-remcsum
-A -u {VIP}:53 -s rr -o
-a -u {VIP}:53 -r {SERVERS[0]} -i --tun-type gre --tun-csum
-a -u {VIP}:53 -r {SERVERS[1]} -i
-A -t {VIP}:0 -s sh -b sh-port,sh-fallback -p 60
-a -t {VIP}:0 -r {SERVERS[0]}:0 -g -w 5
-A -t [{VIP6}]:80 -s mh -b mh-port -p 50 -M 64
-a -t [{VIP6}]:80 -r [{SIX}]:81 -m
-A --sctp-service {VIP}:9 -s fo
-A -f 7 -s rr
-a -f 7 -r {SERVERS[0]}:80 -m
-A -f 7 -6 -s lblcr -b flag-1,flag-3
-a -f 7 -6 -r [{SIX}]:80 -g
-A -f 4294967295 -s wlc
-A -u {VIP}:5060 -s rr -p 40 --pe sip
"""


def write(text, name='rules'):
    path = os.path.join(FOLDER, name)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    return path


def tool(*words, code=0, stdin=None):
    """What ripvsadm prints, and on which of both; its exit code must be CODE."""
    with g.director:
        done = subprocess.run(
            ['ripvsadm', *words], input=stdin, capture_output=True, text=True, check=False
        )
    if done.returncode != code:
        note(done.stdout + done.stderr)
    equal(done.returncode, code, f'exit code of ripvsadm {" ".join(words)}')
    equal(done.stderr == '', code in (0, 3), f'nothing on standard error: {done.stderr}')
    return done.stdout + done.stderr


def generation():
    family = Ripvs(g.director)
    found = family.info()[0]
    family.close()
    return found


def unchanged(function):
    """Calls FUNCTION, which must change nothing; returns its result."""
    before = generation(), tool('export')
    found = function()
    equal((generation(), tool('export')), before, 'the table')
    return found


@case('export | apply is no change, in each form', only='rust')
def no_change():
    tool('apply', '-q', '-', stdin=KINDS)
    equal(len(ipvs.admin('-Sn', quiet=True).splitlines()), len(KINDS.splitlines()), 'rules')
    for words in (['export'], ['export', '--json'], ['-S', '-n'], ['-S']):
        text = tool(*words)
        true(text, f'{words}: there are rules')
        for apply in (['apply'], ['apply', '--dry-run'], ['diff']):
            equal(unchanged(lambda: tool(*apply, '-', stdin=text)), '', f'{words} | {apply}')
    # What ipvsadm made is the same.
    g.admin('-C', quiet=True)
    for line in KINDS.splitlines():
        g.admin(line, quiet=True)
    equal(unchanged(lambda: tool('diff', write(KINDS))), '', 'the table by ipvsadm')


@case('each form makes the same table of nothing, and of another table', only='rust')
def both_forms():
    tool('apply', '-q', write(KINDS))
    rules, document = tool('export'), tool('export', '--json')
    listed = tool('-L', '-n')
    for text in (rules, document):
        g.admin('-C', quiet=True)
        shown = tool('apply', write(text))
        equal(shown.count('\n+ '), rules.count('\n') - 1, 'changes shown')
        equal((tool('export'), tool('-L', '-n')), (rules, listed), 'the table')
        tool('apply', '-q', write(f'-A -t {VIP}:80 -s lc\n-A -t {VIP}:81\n'))
        tool('apply', '-q', write(text))
        equal((tool('export'), tool('-L', '-n')), (rules, listed), 'the table')


@case('a dry run shows each change in a line and makes none: 0 the same, 3 differs', only='rust')
def dry_run():
    equal(tool('diff', write('')), '', 'nothing wanted, nothing there')
    tool('apply', '-q', write(KINDS))
    other = [line for line in KINDS.splitlines() if not line.endswith('7 -s rr')]
    other = [line for line in other if not line.startswith('-a -f 7 -r')]
    other = [line.replace('-w 0', '-w 4').replace('-s fo', '-s ovf') for line in other]
    other.insert(4, f'-a -t {VIP}:80 -r 10.0.2.99:1 -m')
    path = write('\n'.join(other))
    wanted = f"""\
+ -t {VIP}:80 -r 10.0.2.99:1 -m -w 1
~ -t {VIP}:80 -r {SERVERS[1]}:8080 -m -w 4 (was -m -w 0)
~ --sctp-service {VIP}:9 -s ovf (was -s fo)
- -f 7
"""
    equal(unchanged(lambda: tool('apply', '--dry-run', path, code=3)), wanted, 'the dry run')
    equal(unchanged(lambda: tool('diff', path, code=3)), wanted, 'the difference')
    before = generation()
    equal(tool('apply', path), wanted, 'what was done')
    equal(generation(), before + 1, 'the generation')
    equal(tool('apply', path), '', 'the second time')
    equal(generation(), before + 1, 'the generation after that')


@case('a fault in the last line: it is named, and nothing is changed', only='rust')
def faults():
    tool('apply', '-q', write(KINDS))
    many = [f'-A -t {VIP}:{port} -s rr' for port in range(1000, 1200)]
    for last, words in (
        (f'-a -t {VIP}:1199 -r 224.0.0.1:80 -m', 'cannot add the real server 224.0.0.1:80'),
        (f'-A -t {VIP}:99 -s nosuch', f'cannot add the service TCP {VIP}:99'),
        (f'-a -t {VIP}:1199 -r 10.0.2.1 -m -x 4 -y 5', 'cannot add the real server 10.0.2.1'),
        ('-L', 'only -A, -a'),
        (f'-A -t {VIP}:1000', 'is in line 1 already'),
        ('-A -t', 'needs a value'),
        ('rubbish', 'unknown command'),
    ):
        path = write('\n'.join([*many, last]))
        code = 255 if words.startswith('cannot') else 2
        said = unchanged(lambda: tool('apply', path, code=code))
        note(said)
        true(said.startswith(f'ripvsadm: {path}: line 201: '), 'the line')
        true(words in said, words)
        equal(said.endswith('; nothing was changed\n'), code == 255, 'nothing was changed')
    document = tool('export', '--json').replace('"wrr"', '"nosuch"')
    said = unchanged(lambda: tool('apply', '-', code=255, stdin=document))
    true('standard input: services[' in said, said)
    for text in ('{', '{"services": 1}', '{"services": [], "more": 1}'):
        said = unchanged(lambda: tool('apply', '-', code=2, stdin=text))
        true(said.startswith('ripvsadm: standard input: '), said)
    tool('apply', '/nowhere', code=1)
    tool('apply', code=2)


class Asking:
    """Clients that ask the VIP all the time."""

    def __init__(self):
        self.answers, self.over = [], threading.Event()
        self.threads = [threading.Thread(target=self.go) for _ in range(3)]

    def go(self):
        while not self.over.is_set():
            self.answers.append(ask(g.client, VIP).name)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def farm(weight, sched):
    """The VIP's three servers and 200 others, with their options."""
    lines = [f'-A -t {VIP}:80 -s {sched}']
    lines += [f'-a -t {VIP}:80 -r {server}:80 -m -w {weight}' for server in SERVERS]
    for port in range(1000, 1040):
        lines.append(f'-A -t {VIP}:{port} -s {sched}')
        for last in range(21, 26):
            lines.append(f'-a -t {VIP}:{port} -r 10.0.2.{last}:80 -m -w {weight} -x {weight}')
    return '\n'.join(lines)


@case('200 changed servers while clients ask all the time: each is answered', only='rust')
def under_load():
    tool('apply', '-q', write(farm(1, 'rr'), 'one'))
    write(farm(5, 'wrr'), 'two')
    paths = [os.path.join(FOLDER, name) for name in ('two', 'one')]
    with Asking() as asking:
        for number in range(6):
            before = generation()
            shown = tool('apply', paths[number % 2]).splitlines()
            equal(len(shown), 41 + 203, 'changes')
            true(all(line.startswith('~ ') for line in shown), 'only changes')
            equal(generation(), before + 1, 'the generation')
    true(len(asking.answers) > 20, 'requests')
    good = {name for name in asking.answers if name in ('s1', 's2', 's3')}
    wrong = [name for name in asking.answers if name not in good]
    note(f'{len(asking.answers)} requests')
    equal(wrong, [], 'requests that were not answered')


@case('what is the same keeps its connections and counters', only='rust')
def kept():
    tool('apply', '-q', write(farm(1, 'rr')))
    for _ in range(6):
        ask(g.client, VIP)
    before = ipvs.rows()
    conns = ipvs.stats(f'{VIP}:80').conns
    equal(conns, 6, 'connections')
    changed = farm(1, 'rr').replace(f'{SERVERS[2]}:80 -m -w 1', f'{SERVERS[2]}:80 -m -w 9')
    shown = tool('apply', write(changed))
    equal(shown.count('\n'), 1, f'changes: {shown}')
    equal(ipvs.stats(f'{VIP}:80').conns, conns, 'connections counted')
    equal(len(ipvs.rows()), len(before), 'connections')


@case('others that change the table meanwhile: the difference is computed anew', only='rust')
def meanwhile():
    path = write(farm(1, 'rr'))

    # Fewer changes than apply makes attempts.
    def disturb():
        for _ in range(7):
            g.director.run(f'ipvsadm -A -t {VIP}:7777 -s rr', check=False, quiet=True)
            g.director.run(f'ipvsadm -D -t {VIP}:7777', check=False, quiet=True)

    thread = threading.Thread(target=disturb)
    thread.start()
    while thread.is_alive():
        tool('apply', '-q', path)
        tool('apply', '-q', write('', 'nothing'))
    thread.join()
    tool('apply', '-q', path)
    equal(tool('diff', path), '', 'the table in the end')
    # Two that want different tables: the table is one of these, never a mixture.
    two = write(farm(5, 'wrr'), 'two')
    with g.director:
        appliers = [
            subprocess.Popen(
                ['sh', '-c', f'for i in $(seq 4); do ripvsadm apply -q {file} || exit; done']
            )
            for file in (path, two)
        ]
    equal([applier.wait() for applier in appliers], [0, 0], 'exit codes')
    found = tool('export')
    tool('apply', '-q', path)
    first = tool('export')
    tool('apply', '-q', two)
    true(found in (first, tool('export')), 'the table is one of both')


@case('the list is the same by either family, byte for byte', only='rust')
def lists():
    tool('apply', '-q', write(KINDS))
    ask(g.client, VIP)
    for words in ('-Ln', '-Ln --stats', '-Ln --thresholds', '-Ln --exact --stats'):
        equal(tool(*words.split()), g.director.run(f'ipvsadm {words}', quiet=True), words)
    # Rates fall from one list to the next, until they are 0.
    rates = '-Ln --rate'
    until(lambda: tool(*rates.split()) == g.director.run(f'ipvsadm {rates}', quiet=True), rates, 30)


@case('C ip_vs: one line says what is needed; export works', only='c')
def c_ipvs():
    g.admin(f'-A -t {VIP}:80 -s rr')
    for words in (['apply', '-'], ['diff', '-'], ['apply', '--dry-run', '-']):
        said = tool(*words, code=2, stdin='')
        true('needs rust_ipvs' in said and said.count('\n') == 1, said)
    equal(tool('export'), f'-A -t {VIP}:80 -s rr\n', 'export')


@case('the schema is printed without a table', only='rust')
def schema():
    true('"$schema"' in tool('apply', '--schema'), 'the schema')


if __name__ == '__main__':
    run(g)
