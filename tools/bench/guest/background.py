#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What others notice of works in the background, as one line of JSON. Where the guest's clock counts instructions, a
nanosecond is one.

  background.py nodest COUNT DELETIONS   how long the answer to a deletion of a server takes, without and with
                                         expire_nodest_conn, while there are COUNT connections
  background.py ending COUNT             how long works wait for their turn, and new connections for their packet, while
                                         COUNT connections end in one second

Connections are made by messages as a master of synchronisation sends them: they say when each ends.
"""

import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, "/checkout/tools/testing/selftests/rust_ipvs")
from harness import abi, netlink, sync  # noqa: E402

DEVICE, VIP, VIP6 = "d0", "10.0.0.1", "fd00::1"
SETTINGS = Path("/proc/sys/net/ipv4/vs")
TRACE = Path("/sys/kernel/tracing")
# So many fit into a message, and are told of before the receiver has to have read them, for which
# it has so many seconds.
IN_A_MESSAGE, AT_ONCE, PAUSE = 40, 50, 0.01
# Stand for an address, and for a number of seconds, in a message that is to be filled in.
CLIENT, SECONDS = "10.127.127.126", 0x7F7E7D7C


def shell(command, stdin=""):
    subprocess.run(["bash", "-c", command], input=stdin, text=True, check=True)


def inactive():
    """How many connections the servers of UDP have."""
    listed = subprocess.run(["ipvsadm", "-Ln"], text=True, capture_output=True, check=True).stdout
    return sum(
        int(line.split()[-1])
        for line in listed.splitlines()
        if line.lstrip().startswith("->") and "." in line
    )


def server(number):
    return f"10.2.{number // 250}.{number % 250 + 1}"


def tell(count, servers, seconds):
    """Makes COUNT connections, spread over the servers, that end at a time that SECONDS() returns the distance of."""
    templates = []
    for number in range(servers):
        entries = [
            sync.Entry(
                17,
                sync.INACTIVE | sync.ROUTE,
                0,
                CLIENT,
                1024 + n,
                VIP,
                80,
                server(number),
                80,
                0,
                SECONDS,
            )
            for n in range(IN_A_MESSAGE)
        ]
        templates.append(sync.message(*entries))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        index = socket.if_nametoindex(DEVICE)
        sender.setsockopt(
            socket.IPPROTO_IP,
            socket.IP_MULTICAST_IF,
            struct.pack("=4s4si", bytes(4), bytes(4), index),
        )
        client = socket.inet_aton(CLIENT)
        for number in range(count // IN_A_MESSAGE):
            message = templates[number % servers].replace(
                client, struct.pack("!I", 0x0A400000 + number)
            )
            message = message.replace(struct.pack("!I", SECONDS), struct.pack("!I", seconds()))
            sender.sendto(message, (sync.GROUP, sync.PORT))
            if number % AT_ONCE == AT_ONCE - 1:
                time.sleep(PAUSE)
    time.sleep(0.2)
    made = inactive()
    if made != count:
        sys.exit(f"background: there are {made:,} connections, and not {count:,}")


def begin(servers):
    shell("ipvsadm --start-daemon backup --mcast-interface " + DEVICE)
    lines = [f"-A -u {VIP}:80 -s rr"] + [
        f"-a -u {VIP}:80 -r {server(n)}:80 -g" for n in range(servers)
    ]
    shell("ipvsadm -R", "\n".join(lines) + "\n")


def nodest(count, deletions):
    servers = 2 * deletions
    begin(servers)
    tell(count, servers, lambda: 3600)
    found = {"connections": count}
    with netlink.Genl("IPVS") as genl:
        for setting in 0, 1:
            (SETTINGS / "expire_nodest_conn").write_text(f"{setting}\n")
            walls, own = [], []
            for number in range(setting * deletions, (setting + 1) * deletions):
                body = abi.service_id(protocol=17, addr=VIP) + abi.dest_id(addr=server(number))
                wall, cpu = time.monotonic_ns(), time.thread_time_ns()
                answer = genl.call(abi.DEL_DEST, body)
                walls.append(time.monotonic_ns() - wall)
                own.append(time.thread_time_ns() - cpu)
                if answer.error:
                    sys.exit(f"background: {server(number)} could not be deleted: {answer}")
            found[str(setting)] = {
                "median": statistics.median(walls),
                "longest": max(walls),
                "own": max(own),
            }
    return found


def trace():
    """Has the kernel write down when works are queued, begin and end."""
    if not (TRACE / "events").exists():
        shell(f"mount -t tracefs none {TRACE}")
    (TRACE / "buffer_size_kb").write_text("65536\n")
    (TRACE / "trace_clock").write_text("mono\n")
    for event in "queue_work", "execute_start", "execute_end":
        (TRACE / f"events/workqueue/workqueue_{event}/enable").write_text("1\n")


def works():
    """The longest wait of a work of ours for its turn, and the longest run, in nanoseconds, with the names of the functions
    that waited and ran so long; and how many works there are."""
    queued, begun, waits, runs = {}, {}, [(0, "")], [(0, "")]
    for line in (TRACE / "trace").read_text().splitlines():
        if "[rust_ipvs]" not in line and "[ip_vs]" not in line:
            continue
        head, _, rest = line.partition(": workqueue_")
        stamp = float(head.split()[-1])
        words = rest.replace("=", " ").split("struct")[1].split()
        work, function = words[0].strip(":"), words[words.index("function") + 1]
        if rest.startswith("queue_work"):
            queued[work] = stamp
        elif rest.startswith("execute_start"):
            begun[work] = stamp
            if work in queued:
                waits.append((stamp - queued.pop(work), function))
        elif work in begun:
            runs.append((stamp - begun.pop(work), function))
    (wait, waiting), (run, running) = max(waits), max(runs)
    return {
        "wait": round(wait * 1e9),
        "waiting": waiting,
        "run": round(run * 1e9),
        "running": running,
        "works": len(begun.keys() | queued.keys()),
        "runs": len(runs) - 1,
    }


class Newcomers:
    """Clients of IPv6 from another namespace: each datagram begins a connection, and is dealt with before it was sent."""

    def __init__(self):
        self.times, self.port = [], 1024
        with open("/run/netns/client", encoding="ascii") as there, open(
            "/proc/self/ns/net", encoding="ascii"
        ) as here:
            os.setns(there.fileno())
            shell(
                "ip address add fd00:1::2/64 dev eth0 nodad 2>/dev/null; ip -6 route replace fd00::1 dev eth0"
                "; ip -6 neighbour replace fd00::1 lladdr 02:00:00:00:01:01 dev eth0 nud permanent"
            )
            self.sockets = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(400)]
            os.setns(here.fileno())

    def come(self):
        sender = self.sockets.pop()
        start = time.monotonic_ns()
        sender.sendto(b"new", (VIP6, 80))
        self.times.append(time.monotonic_ns() - start)
        sender.close()


def ending(count):
    begin(1)
    shell("ipvsadm -R", f"-A -u [{VIP6}]:80 -s rr\n-a -u [{VIP6}]:80 -r [fd00:2::2]:80 -g\n")
    # Sooner than that they could not all be told of.
    end = time.monotonic() + 20 + count / 20_000
    tell(count, 1, lambda: max(2, round(end - time.monotonic())))
    late = time.monotonic() - end
    newcomers = Newcomers()
    (SETTINGS / "drop_entry").write_text("1\n")
    # Nothing but what cannot be interrupted keeps this from its turn.
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    while time.monotonic() < end - 0.5:
        time.sleep(0.1)
    trace()
    while newcomers.sockets:
        newcomers.come()
        time.sleep(0.01)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    start = time.monotonic()
    while inactive():
        time.sleep(0.05)
        if time.monotonic() - start > 300:
            sys.exit("background: the connections do not end")
    (TRACE / "tracing_on").write_text("0\n")
    return {
        "connections": count,
        "late": round(late, 1),
        "over": round(time.monotonic() - end, 1),
        **works(),
        "new": max(newcomers.times),
        "new_median": statistics.median(newcomers.times),
    }


def main():
    numbers = [int(word) for word in sys.argv[2:]]
    print(json.dumps({"nodest": nodest, "ending": ending}[sys.argv[1]](*numbers)))


main()
