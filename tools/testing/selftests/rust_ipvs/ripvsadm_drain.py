#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ripvsadm drain, undrain and wait; deploys under load, of which no request fails."""

import contextlib
import json
import threading

from harness import ipvs
from harness.clients import Connection
from harness.fixture import FIXTURE as g, VIP
from harness.tap import case, equal, note, run, true, until

RIPS = {'s1': '10.0.2.11', 's2': '10.0.2.12'}
S1 = f'-t {VIP}:80 -r {RIPS["s1"]}:80'
S2 = f'-t {VIP}:80 -r {RIPS["s2"]}:80'
CLIENTS = 4


def tool(words, code=0, stdin=None):
    """What ripvsadm prints, which must exit with CODE."""
    text = g.director.run(['ripvsadm', *words.split()], check=False, stdin=stdin)
    equal(g.director.status, code, f'ripvsadm {words}: {text}')
    return text


def serve():
    ipvs.service(f'-t {VIP}:80', '-m', [f'{rip}:80' for rip in RIPS.values()])


@contextlib.contextmanager
def load():
    """Clients that ask without a pause, none in vain. Gives the list of who has answered."""
    over = threading.Event()
    answered, failed = [], []

    def ask():
        while not over.is_set():
            try:
                with Connection(g.client, VIP) as connection:
                    name = connection.answer.name
                    true(connection.echo(), 'an echo')
                    answered.append(name)
            except Exception as error:  # Whatever it is, a request has failed.
                failed.append(repr(error))

    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        more(answered)
        yield answered
        more(answered)
    finally:
        over.set()
        for client in clients:
            client.join()
    note(f'{len(answered)} requests, {len(failed)} failed')
    equal(failed, [], 'requests that failed')


def more(answered, count=40):
    """Waits for more answers, and returns who gave them."""
    before = len(answered)
    until(lambda: len(answered) >= before + count, 'more answers', 30)
    # Those that had begun before are not counted.
    return set(answered[before + CLIENTS :])


@case('begun, shown, saved, restored, compared, and called off', only='rust')
def words():
    serve()
    rules = tool('export')
    with Connection(g.client, VIP) as held:
        one, other = (S1, S2) if held.answer.name == 's1' else (S2, S1)
        options = '--no-templates --deadline 300 --reset'
        tool(f'drain {one} {options}')
        line = f'drain {one} {options}\n'
        true(line in tool('-S -n') and line in tool('export'), 'it is saved')
        listed = json.loads(tool('-L -n --json'))['services'][0]['destinations']
        drains = [server['drain'] for server in listed if 'drain' in server]
        equal([drain['state'] for drain in drains], ['waiting'], 'it is listed')
        # A file that does not know of it leaves it alone, one that denies it ends it.
        equal(tool('diff -', 0, rules), '', 'the difference')
        tool('apply -', 0, rules)
        with_drain = tool('export')
        true(line in with_drain, 'it is there still')
        end = tool('diff -', 3, rules + f'undrain {one}\n')
        equal(end, f'~ {one} undrain\n', 'the end as a difference')
        tool('wait --timeout 0 ' + one, 3)
        tool(f'undrain {one}')
        tool(f'undrain {one}', 255)
        tool(f'wait {one}', 255)
        begin = tool('diff -', 3, with_drain)
        equal(begin, f'~ {line[6:-1].replace(options, "drain " + options)}\n', 'the beginning')
        tool('apply -', 0, with_drain)
        tool('-C')
        tool('-R', 0, with_drain)
        equal(tool('export'), with_drain, 'what was restored')
        as_json = tool('export --json')
        tool(f'undrain {one}')
        tool('apply -', 0, as_json)
        equal(tool('export --json'), as_json, 'what was applied')
        tool(f'drain {other}')
        done = tool(f'wait {other}')
        true('drained: no connection is active' in done, done)


@case('wait ends with another code if the drain is called off', only='rust')
def called_off():
    serve()
    with Connection(g.client, VIP) as held:
        one = S1 if held.answer.name == 's1' else S2
        tool(f'drain {one}')
        timer = threading.Timer(1, lambda: tool(f'undrain {one}'))
        timer.start()
        text = g.director.run(['ripvsadm', 'wait', *one.split()], check=False)
        timer.join()
        true('1 active connections' in text and 'called off' in text, text)


@case('a drain under load: no request fails, and the server can go', only='rust')
def under_load():
    serve()
    with load() as answered:
        equal(more(answered), set(RIPS), 'who answers before')
        tool(f'drain {S1} --deadline 60 --wait')
        equal(more(answered), {'s2'}, 'who answers after it')
        rows = ipvs.rows(daddr=RIPS['s1'], state='ESTABLISHED')
        equal(rows, [], 'connections of the drained one')
        tool(f'-e {S1} -m -w 5')
        equal(more(answered), {'s2'}, 'who answers after an edit')
        tool(f'undrain {S1}')
        equal(more(answered), set(RIPS), 'who answers at the end')


@case('a deploy by apply of 200 changed servers under load: no request fails', only='rust')
def deploy():
    ports = range(9001, 9101)
    for name in RIPS:
        g.servers.add(getattr(g, name), ports)
    service = f'-A -t {VIP}:80 -s rr\n'
    sides = {
        name: [f'-t {VIP}:80 -r {rip}:{port}' for port in ports] for name, rip in RIPS.items()
    }

    def file(*words):
        return service + ''.join(words)

    def lines(name, weight, drain=False):
        added = ''.join(f'-a {one} -m -w {weight}\n' for one in sides[name])
        return added + ''.join(f'drain {one}\n' for one in sides[name] if drain)

    tool('apply -', 0, file(lines('s1', 1)))
    with load() as answered:
        equal(more(answered), {'s1'}, 'who answers before')
        # 100 that are drained, and 100 that come.
        shown = tool('apply -', 0, file(lines('s1', 1, True), lines('s2', 1)))
        equal(len(shown.splitlines()), 200, 'changes')
        equal(more(answered), {'s2'}, 'who answers after it')
        for one in sides['s1'][:3]:
            tool(f'wait {one}')
        until(lambda: not ipvs.rows(daddr=RIPS['s1'], state='ESTABLISHED'), 'all are done')
        # 100 that go, and 100 with another weight.
        shown = tool('apply -', 0, file(lines('s2', 3)))
        equal(len(shown.splitlines()), 200, 'changes')
        equal(more(answered), {'s2'}, 'who answers at the end')


@case('C IPVS has no drains: one line says so', only='c')
def of_c():
    serve()
    for command in ('drain', 'undrain', 'wait'):
        text = g.director.run(['ripvsadm', command, *S1.split()], check=False)
        equal(g.director.status, 2, 'the exit code')
        equal(len(text.strip().splitlines()), 1, 'lines')
        true('needs the kernel module rust_ipvs' in text, text)


run(g)
