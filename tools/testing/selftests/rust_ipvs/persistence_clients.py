#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Persistence with the programs that people use: FTP clients with vsftpd, curl with a shop of two ports."""

import http.server
import socket
import threading

from harness import ftp, ipvs
from harness.ftp import PASSIVE
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.tap import case, equal, run, true

VIP2 = '10.0.9.2'
RIP = {'s1': '10.0.2.11', 's2': '10.0.2.12', 's3': '10.0.2.13'}
SERVERS = ('s1', 's2', 's3')


class Web:
    """A web server in each real server's namespace, which answers with its name."""

    def __init__(self, *ports):
        self.servers = [self._server(space, port) for space in (g.s1, g.s2, g.s3) for port in ports]

    @staticmethod
    def _server(space, port):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = f'{space.short}\n'.encode()
                self.send_response(200)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6

        with space:
            server = Server(('::', port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def stop(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()


def vsftpd(rest=''):
    """An FTP server in each real server's namespace."""
    return ftp.Vsftpd((g.s1, g.s2, g.s3), rest)


def client(command):
    """What a program in the client prints: the name of the server, or its complaint."""
    output = g.client.run(command, check=False)
    return output.strip()


def curl(vip, *options, source='10.0.1.1', path='name'):
    at = f'[{vip}]' if ':' in vip else vip
    return client(
        ['curl', '-sS', '--max-time', '20', '--interface', source, *options, f'ftp://{at}/{path}']
    )


def sessions(vip, expected, source='10.0.1.1'):
    """FTP in all its ways; each session is at the expected server, data connections too, or the file would not come."""
    passive = [curl(vip, source=source), curl(vip, '--disable-epsv', source=source)]
    active = [
        curl(vip, '--ftp-port', '-', source=source),
        curl(vip, '--disable-eprt', '--ftp-port', '-', source=source),
    ]
    equal(
        (passive, active),
        ([expected] * 2, [expected] * 2),
        f'passive and active sessions of {source} with {vip}',
    )


def ftp_templates():
    return sorted((r.caddr, r.vport, r.daddr, r.dport) for r in ipvs.rows(cport=0))


@case('F-11 P-3 FTP by DR: curl, passive and active, old commands and new', fresh=True)
def ftp_dr():
    ipvs.service(f'-t {VIP}:21', '-g', [f'{rip}:21' for rip in RIP.values()], '-s rr -p 300')
    with vsftpd():
        sessions(VIP, 's3')
        sessions(VIP, 's2', '10.0.1.2')
        sessions(VIP, 's3')
    equal(
        ftp_templates(), [('10.0.1.1', 0, RIP['s3'], 0), ('10.0.1.2', 0, RIP['s2'], 0)], 'templates'
    )
    # The client acknowledges an active data connection by the director, and a passive one is its
    # own.
    data = ipvs.rows(caddr='10.0.1.1')
    true(
        any(PASSIVE[0] <= r.vport <= PASSIVE[1] for r in data), 'passive data connections are seen'
    )
    true(any(r.vport == 20 for r in data), 'active ones as well')
    equal({r.daddr for r in data}, {RIP['s3']}, 'servers of all of them')


@case(
    'F-11 P-10 FTP by NAT: passive, with a server that names the VIP; active, behind a rule for port 20',
    fresh=True,
)
def ftp_nat():
    ipvs.service(f'-t {VIP}:21', '-m', [f'{rip}:21' for rip in RIP.values()], '-s rr -p 300')
    g.director.run(
        [
            'nft',
            'table ip ftp { chain post { type nat hook postrouting priority 100; '
            f'ip saddr 10.0.2.0/24 tcp sport 20 snat to {VIP}; }}; }}'.replace('}}', '}'),
        ]
    )
    try:
        with vsftpd(f'pasv_address={VIP}'):
            sessions(VIP, 's3')
            sessions(VIP, 's2', '10.0.1.2')
    finally:
        g.director.run('nft flush ruleset', quiet=True)
    data = [r for r in ipvs.rows(caddr='10.0.1.1') if PASSIVE[0] <= r.vport <= PASSIVE[1]]
    true(data, 'passive data connections')
    equal(
        {(r.daddr, r.vport == r.dport) for r in data},
        {(RIP['s3'], True)},
        'their server, and their ports are kept',
    )


@case('F-11 FTP by DR and NAT: lftp and ftp', fresh=True)
def ftp_clients():
    ipvs.service(f'-t {VIP}:21', '-g', [f'{rip}:21' for rip in RIP.values()], '-s rr -p 300')
    ipvs.service(f'-t {VIP2}:21', '-m', [f'{rip}:21' for rip in RIP.values()], '-s rr -p 300')
    with vsftpd(f'pasv_address={VIP2}'):
        equal(
            {client(['ftp', '-4', '-o', '-', '-V', f'ftp://{VIP2}/name']) for _ in range(2)},
            {'s3'},
            'ftp by NAT',
        )
        equal(
            {
                client(
                    [
                        'lftp',
                        '-c',
                        f'set net:timeout 10; set net:max-retries 1; set ftp:passive-mode on; '
                        f'open {VIP2}; cat name',
                    ]
                ).split('\n')[0]
                for _ in range(2)
            },
            {'s3'},
            'lftp by NAT',
        )
    with vsftpd():
        for mode in ('on', 'off'):
            equal(
                client(
                    [
                        'lftp',
                        '-c',
                        f'set net:timeout 10; set net:max-retries 1; set ftp:passive-mode {mode}; '
                        f'open {VIP}; cat name',
                    ]
                ).split('\n')[0],
                's3',
                f'lftp by DR, passive mode {mode}',
            )
        for option in ('-p', '-A'):
            equal(
                client(['ftp', '-4', option, '-o', '-', '-V', f'ftp://{VIP}/name']),
                's3',
                f'ftp {option} by DR',
            )


@case('F-11 P-3 FTP over IPv6', fresh=True)
def ftp6():
    ipvs.service(f'-t [{VIP6}]:21', '-g', [f'[fd00:2::{n}]:21' for n in 'bcd'], '-s rr -p 300')
    with vsftpd():
        for source, expected in (('fd00:1::1', 's3'), ('fd00:1::2', 's2'), ('fd00:1::1', 's3')):
            equal(
                [curl(VIP6, source=source), curl(VIP6, '--ftp-port', '-', source=source)],
                [expected] * 2,
                source,
            )
    equal(len(ipvs.rows(cport=0)), 2, 'templates')


@case('F-12 S-16 FTP without persistence: no data connection finds its way by DR', fresh=True)
def ftp_not_persistent():
    ipvs.service(f'-t {VIP}:21', '-g', [f'{rip}:21' for rip in RIP.values()])
    with vsftpd():
        words = client(['curl', '-sS', '--max-time', '20', f'ftp://{VIP}/name'])
        true(words.startswith('curl: ('), f'it fails: {words}')


@case('P-3 V-5 curl: a shop at two ports of two VIPs by one mark, IPv4 and IPv6', fresh=True)
def shop():
    ipvs.service('-f 80', '-g', [f'{rip}:0' for rip in RIP.values()], '-s rr -p 600')
    ipvs.service('-f 80 -6', '-g', [f'[fd00:2::{n}]:0' for n in 'bcd'], '-s rr -p 600')
    for tool, vips in (('iptables', (VIP, VIP2)), ('ip6tables', (VIP6,))):
        for vip in vips:
            g.director.run(
                f'{tool} -t mangle -A PREROUTING -d {vip} -p tcp -m multiport --dports 8001,8443 -j MARK --set-mark 80'
            )

    def servers(source):
        urls = [
            f'http://{vip}:{port}/'
            for vip in ((f'[{VIP6}]',) if ':' in source else (VIP, VIP2))
            for port in (8001, 8443)
        ]
        return {
            client(['curl', '-sS', '--max-time', '10', '--interface', source, url])
            for url in urls * 2
        }

    web = Web(8001, 8443)
    try:
        equal(
            [servers('10.0.1.1'), servers('10.0.1.2'), servers('10.0.1.1')],
            [{'s3'}, {'s2'}, {'s3'}],
            'IPv4',
        )
        equal([servers('fd00:1::1'), servers('fd00:1::2')], [{'s3'}, {'s2'}], 'IPv6')
    finally:
        web.stop()
        for tool in ('iptables', 'ip6tables'):
            g.director.run(f'{tool} -t mangle -F PREROUTING')
    equal(
        sorted((r.proto, r.caddr, r.vaddr) for r in ipvs.rows(cport=0)),
        [
            ('IP', '10.0.1.1', '0.0.0.80'),
            ('IP', '10.0.1.2', '0.0.0.80'),
            ('IP', 'fd00:1::1', '0:50::'),
            ('IP', 'fd00:1::2', '0:50::'),
        ],
        'templates',
    )


if __name__ == '__main__':
    run(g)
