# SPDX-License-Identifier: GPL-2.0
"""keepalived in a director's namespace: its checkers, or VRRP."""

import re
import signal
import subprocess

from . import ipvs
from .tap import Failure, patience, true, until

CONFIG, LOG = '/tmp/keepalived.conf', '/tmp/keepalived.log'
# What it has set up goes when it ends.
HEAD = '''global_defs {
    router_id lab
    script_user root
    lvs_flush_on_stop
}
'''
TCP_CHECK = 'TCP_CHECK { connect_port 80 connect_timeout 2 retry 0 delay_before_retry 1 }'
HTTP_GET = (
    'HTTP_GET { connect_timeout 2 retry 0 delay_before_retry 1\n'
    '            url { path /health status_code 200 } }'
)


def service(head, algorithm, kind, servers, rest=''):
    """A virtual server of keepalived.conf. SERVERS: (address and port, weight, check, options)."""
    reals = ''.join(
        f'    real_server {address} {{\n        weight {weight}\n        {options}\n        {check}\n    }}\n'
        for address, weight, check, options in servers
    )
    return (
        f'virtual_server {head} {{\n    delay_loop 1\n    lb_algo {algorithm}\n    lb_kind {kind}\n'
        f'    protocol TCP\n    {rest}\n{reals}}}\n'
    )


class Keepalived:
    """The daemon. start() and stop() may be called any number of times."""

    def __init__(self, space, part='check'):
        self.space, self.part = space, part
        self.process = None

    def write(self, config):
        """Writes the configuration."""
        with open(CONFIG, 'w', encoding='utf-8') as file:
            file.write(HEAD + config)

    def start(self, config):
        """Starts it with a configuration."""
        self.write(config)
        with self.space, open(LOG, 'wb') as log:
            self.process = subprocess.Popen(
                [
                    'keepalived',
                    '--dont-fork',
                    '--log-console',
                    '--log-detail',
                    f'--{self.part}',
                    '--use-file',
                    CONFIG,
                    '--pid',
                    '/run/keepalived-test.pid',
                    '--checkers_pid',
                    '/run/keepalived-checkers-test.pid',
                    '--vrrp_pid',
                    '/run/keepalived-vrrp-test.pid',
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def reload(self, config):
        """Has it take another configuration."""
        self.write(config)
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        """Ends it in order; it takes its services with it."""
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(patience(20))
            except subprocess.TimeoutExpired as error:
                self.process.kill()
                raise Failure('keepalived does not end') from error
            finally:
                self.process = None

    def log(self):
        """What it said."""
        with open(LOG, encoding='utf-8', errors='replace') as log:
            return log.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def table(space):
    """Services and their destinations as ipvsadm lists them, without the counts of connections."""
    lines = ipvs.admin('-Ln', quiet=True, space=space).splitlines()[3:]
    return [
        re.sub(r'(-> \S+) +(\S+) +(\d+) +\d+ +\d+ *$', r'\1 \2 \3', line).strip() for line in lines
    ]


def wait_for(space, want, what, seconds=30):
    """Waits until the table has each line of WANT, and no line of those that begin with "not "."""

    def there():
        lines = table(space)
        return all(
            (line[4:] not in lines) if line.startswith('not ') else (line in lines) for line in want
        )

    try:
        until(there, what, seconds)
    except Failure as error:
        true(False, f'{error}; there is:\n' + '\n'.join(table(space)))
