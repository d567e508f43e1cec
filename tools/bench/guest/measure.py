#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The bench's half in the guest: makes the network, carries out a plan, and writes down what each step cost.

The plan (plan.json in the folder that is the argument) is a list of runs, and a run has a list of steps. A run that has
another list, "finally", may fail: then the rest of its steps are left out, and those are done in any case. A step is one of

    {"sh": COMMAND, "stdin": TEXT}       a shell line, which has to succeed
    {"send": NAME, "bursts": [BURST…]}   packets by pktgen; written down under NAME unless that is empty
                                         with "from": "servers", out of their namespace;
                                         with "together": true, a processor for each at once,
                                         by a device each, or all by the first with "shared": true;
                                         with "times": N, so often, of which the middle one counts,
                                         or the fastest one with "best": true
    {"stream": NAME, "to": ADDRESS, "flows": N, "seconds": S}
                                         TCP by iperf3 from the clients to a server's port 80; with
                                         "times": N, so often, of which the fastest one counts
    {"slab": NAME, "cache": CACHE}       what /proc/slabinfo says of a cache, whose name ends in CACHE
    {"memory": NAME}                     kilobytes that are free
    {"time": NAME, "sh": …, "stdin": …}  how long a shell line takes
    {"file": NAME, "copy": FILE}         a file of the guest's for the host
    {"mark": 1 or 0}                     the counting plugin begins or ends a region here

A burst is a list of pktgen's own commands. Each result is one line of JSON in measured.jsonl, written at once.
Where the guest's clock counts instructions, a nanosecond is an instruction.
"""

import ctypes
import errno
import json
import mmap
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

PKTGEN = Path("/proc/net/pktgen")
IPVS = Path("/proc/net/ip_vs_stats_percpu")
CLONE_NEWNET = 0x40000000

# One line for each interface, address and neighbour: clients' namespace <-> c0, director, d0 <->
# servers' namespace. The neighbours have other addresses than the far ends of these pairs, so that
# whatever leaves the director is dropped as the far end receives it.
NETWORK = """
link add c0 address 02:00:00:00:01:01 type veth peer name eth0 address 02:00:00:00:01:02 netns client
link add c1 address 02:00:00:00:01:03 type veth peer name eth1 address 02:00:00:00:01:04 netns client
link add d0 address 02:00:00:00:02:01 type veth peer name eth0 address 02:00:00:00:02:fe netns servers
link set c0 up
link set c1 up
link set d0 up
address add 10.0.0.1/32 dev lo
address add fd00::1/128 dev lo nodad
address add 10.1.0.1/24 dev c0
address add fd00:1::1/64 dev c0 nodad
address add 10.2.0.1/24 dev d0
address add fd00:2::1/64 dev d0 nodad
route add 10.64.0.0/10 via 10.1.0.2
neighbour add 10.1.0.2 lladdr 02:00:00:00:03:02 dev c0 nud permanent
neighbour add fd00:1::2 lladdr 02:00:00:00:03:02 dev c0 nud permanent
route add fd00:64::/32 via fd00:1::2
"""
MACS = ["02:00:00:00:01:01", "02:00:00:00:01:03"]
# As c0, for each processor beyond the second.
MORE = """
link add c{n} address 02:00:00:00:01:{mac} type veth peer name eth{n} netns client
link set c{n} up
"""
SERVERS = 4
STREAM_PORT = 80
STREAM_TRIES = 5
# Keys of steps that have a result.
NAMED = ("send", "stream", "slab", "memory", "time")
# So many neighbours for a moment: their table grows with them, and does not shrink again.
NEIGHBOURS = 1024
SETTINGS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv6/conf/all/forwarding": 1,
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv4/conf/c0/rp_filter": 0,
    "net/ipv4/conf/c1/rp_filter": 0,
    "net/ipv4/conf/d0/rp_filter": 0,
}


class Failed(Exception):
    """A step did not succeed; the words say which, and why."""


def shell(command, stdin=""):
    done = subprocess.run(["bash", "-c", command], input=stdin, text=True, capture_output=True)
    if done.returncode:
        raise Failed(f"{command!r} failed ({done.returncode}): {done.stdout}{done.stderr}")


def grow_neighbours():
    """Gives the kernel's table of neighbours more buckets than it has use for.

    A small one puts several of them in one chain, by a hash that is another one after each start: a packet would cost
    14 instructions more for each that comes before its own.
    """
    for action in "replace", "del":
        lines = [
            f"neighbour {action} {address} lladdr 02:00:00:00:03:03 dev c0 nud permanent"
            for number in range(NEIGHBOURS)
            for address in (f"10.3.{1 + number // 256}.{number % 256}", f"fd00:3::1:{number:x}")
        ]
        shell("ip -batch -", "\n".join(lines))


def network():
    shell("modprobe -a veth dummy pktgen nf_defrag_ipv6")
    shell("ip netns add client; ip netns add servers")
    lines = NETWORK.strip().splitlines()
    shell("ip -batch -", "\n".join(lines))
    grow_neighbours()
    lines = []
    for number in range(2, 2 + SERVERS):
        for address in f"10.2.0.{number}", f"fd00:2::{number}":
            lines.append(
                f"neighbour add {address} lladdr 02:00:00:00:02:0{number} dev d0 nud permanent"
            )
    shell("ip -batch -", "\n".join(lines))
    shell(
        "ip -n client link set eth0 up; ip -n client link set eth1 up"
        "; ip -n servers link set eth0 up"
    )
    for number in range(2, os.cpu_count()):
        MACS.append(f"02:00:00:00:01:{2 * number + 1:02x}")
        shell("ip -batch -", MORE.strip().format(n=number, mac=MACS[number][-2:]))
        shell(
            f"ip -n client link set eth{number} up; sysctl -qw net.ipv4.conf.c{number}.rp_filter=0"
        )
    for name, value in SETTINGS.items():
        Path("/proc/sys", name).write_text(f"{value}\n")


class Namespace:
    """With it, this process is in a namespace: pktgen sends from that of who drives it."""

    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, name):
        self.name = name

    def enter(self, path):
        with open(path) as namespace:
            if self.libc.setns(namespace.fileno(), CLONE_NEWNET):
                raise Failed(f"{path} cannot be entered: {os.strerror(ctypes.get_errno())}")

    def __enter__(self):
        self.enter(f"/run/netns/{self.name}")

    def __exit__(self, *_):
        self.enter("/proc/1/ns/net")


def pktgen(name, command):
    # A thread takes its time to let go of a device, where processors are busy.
    for patience in range(100, -1, -1):
        try:
            (PKTGEN / name).write_text(command + "\n")
            return
        except OSError as error:
            if error.errno != errno.EBUSY or not patience:
                raise
        time.sleep(0.05)


def counters():
    """Counts packets until now: received by the stack, sent by the director, seen by IPVS."""
    snmp = [
        line.split()
        for line in Path("/proc/net/snmp").read_text().splitlines()
        if line.startswith("Ip:")
    ]
    seen = {"received4": int(dict(zip(*snmp))["InReceives"])}
    for line in Path("/proc/net/snmp6").read_text().splitlines():
        if line.startswith("Ip6InReceives "):
            seen["received6"] = int(line.split()[1])
    for name, device in ("to_servers", "d0"), ("to_clients", "c0"):
        seen[name] = int(Path(f"/sys/class/net/{device}/statistics/tx_packets").read_text())
    if IPVS.exists():
        rows = [line.split() for line in IPVS.read_text().splitlines()]
        rows = [
            [int(word, 16) for word in row]
            for row in rows
            if len(row) == 6 and row[0].isalnum() and row[0] != "CPU"
        ]
        seen["requests"], seen["replies"] = sum(row[2] for row in rows), sum(row[3] for row in rows)
    return seen


def outcome(device):
    """How many packets a device sent, and in how many microseconds."""
    for line in (PKTGEN / device).read_text().splitlines():
        words = line.split()
        if "Result:" in line and words[1] == "OK:":
            return int(words[4]), int(words[2].split("(")[0])
    raise Failed("pktgen did not send: " + (PKTGEN / device).read_text())


def prepare(number, device, commands=()):
    """Makes a device ready on a processor; added anew, for pktgen does not forget IPv6."""
    pktgen(f"kpktgend_{number}", "rem_device_all")
    if commands:
        pktgen(f"kpktgend_{number}", f"add_device {device}")
        for command in commands:
            pktgen(device, command)


def burst(commands):
    prepare(0, "eth0", commands)
    pktgen("pgctrl", "start")
    return outcome("eth0")


def together(bursts, shared):
    """Sends all at the same time; returns packets of all and the time of the slowest."""
    devices = [f"eth0@{n}" if shared else f"eth{n}" for n in range(len(bursts))]
    for number, (device, commands) in enumerate(zip(devices, bursts)):
        prepare(number, device, commands)
        pktgen(device, f"dst_mac {MACS[0 if shared else number]}")
    pktgen("pgctrl", "start")
    sent = [outcome(device) for device in devices]
    for number, device in enumerate(devices):
        prepare(number, device)
    return sum(n for n, _ in sent), max(t for _, t in sent)


def send(step):
    """Sends a step's bursts, one after the other or together, and counts what became of the packets."""
    before = counters()
    with Namespace(step.get("from", "client")):
        if step.get("together"):
            packets, microseconds = together(step["bursts"], step.get("shared"))
        else:
            sent = [burst(commands) for commands in step["bursts"]]
            packets, microseconds = sum(n for n, _ in sent), sum(t for _, t in sent)
    after = {name: value - before[name] for name, value in counters().items() if name in before}
    return {"packets": packets, "microseconds": microseconds, **after}


def send_often(step):
    """Of several times the middle one: now and then the guest has something else to do.

    Where that is the host, the fastest one.
    """
    every = [send(step) for _ in range(step.get("times", 1))]
    every.sort(key=lambda result: result["microseconds"] / result["packets"])
    return every[0 if step.get("best") else len(every) // 2]


def stream_often(step):
    return max((stream(step) for _ in range(step.get("times", 1))), key=lambda one: one["bits"])


def stream(step):
    """TCP by iperf3: bits per second, as the server received them."""
    command = f"ip netns exec client iperf3 --json --port {STREAM_PORT} --client {step['to']}"
    command += f" --parallel {step['flows']} --time {step['seconds']}"
    for _ in range(STREAM_TRIES):
        done = subprocess.run(command.split(), text=True, capture_output=True)
        try:
            return {"bits": json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]}
        except (ValueError, KeyError):
            # The server does not listen for a moment after each stream.
            time.sleep(1)
    raise Failed(f"iperf3 did not stream: {done.stdout[-300:]}{done.stderr}")


def slab(suffix):
    """Object size, and memory in all its slabs, of the caches with that end of a name."""
    size = pages = objects = 0
    for line in Path("/proc/slabinfo").read_text().splitlines()[2:]:
        words = line.split()
        if words[0].endswith(suffix):
            size = max(size, int(words[3]))
            objects += int(words[1])
            pages += int(words[5]) * int(words[14])
    return {"size": size, "objects": objects, "bytes": pages * os.sysconf("SC_PAGESIZE")}


def free_memory():
    Path("/proc/sys/vm/drop_caches").write_text("3\n")
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemFree:"):
            return {"kilobytes": int(line.split()[1])}
    return {}


def mark(begin):
    """Executes the no-op that the counting plugin of QEMU waits for (tools/bench/profile/counter.c)."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\x0f\x1f\x84\x00ipv" + (b"1" if begin else b"0") + b"\xc3")
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()


def carry_out(step):
    """Does one step; returns its result, or None where it has none."""
    if "send" in step:
        return send_often(step)
    if "stream" in step:
        return stream_often(step)
    if "slab" in step:
        return slab(step["cache"])
    if "memory" in step:
        return free_memory()
    if "time" in step:
        start = time.monotonic_ns()
        shell(step["sh"], step.get("stdin", ""))
        return {"nanoseconds": time.monotonic_ns() - start}
    if "mark" in step:
        mark(step["mark"])
        return None
    if "copy" in step:
        shutil.copyfile(step["copy"], Path(sys.argv[1], step["file"]))
        return None
    shell(step["sh"], step.get("stdin", ""))
    return None


def main():
    folder = Path(sys.argv[1])
    plan = json.loads((folder / "plan.json").read_text())
    network()
    with open(folder / "measured.jsonl", "w") as out:
        for run in plan:
            carry_out_run(run, out)


def carry_out_run(run, out):
    try:
        for step in run["steps"]:
            result = carry_out(step)
            name = next(filter(None, map(step.get, NAMED)), None)
            if result is not None and name:
                print(
                    json.dumps({"run": run["name"], "name": name, **result}), file=out, flush=True
                )
    except Failed as failure:
        if "finally" not in run:
            sys.exit(f"measure: {run['name']}: {failure}")
        print(f"measure: {run['name']}: {failure}")
    for step in run.get("finally", ()):
        carry_out(step)


main()
