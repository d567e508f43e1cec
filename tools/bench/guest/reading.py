#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The cost of reading each file under /proc/net, and of adding a service beside whoever reads them.

Prints nanoseconds as JSON: of a read of each file, the least of several; of an addition, by netlink, alone and while
another process reads all the time, which runs when this one waits. Where the guest's clock counts instructions, a
nanosecond is one.
"""

import json
import os
import signal
import sys
import time

sys.path.insert(0, "/checkout/tools/testing/selftests/rust_ipvs")
from harness import abi, netlink  # noqa: E402

FILES = ("ip_vs_stats", "ip_vs_stats_percpu", "ip_vs_app", "ip_vs")
TIMES = 9
ADDITIONS = 60


def read(name):
    """Reads a file to its end; returns nanoseconds."""
    start = time.monotonic_ns()
    descriptor = os.open(f"/proc/net/{name}", os.O_RDONLY)
    while os.read(descriptor, 1 << 16):
        pass
    os.close(descriptor)
    return time.monotonic_ns() - start


def additions(genl):
    """Adds and deletes a service again and again; returns the nanoseconds of each addition, sorted."""
    times = []
    for _ in range(ADDITIONS):
        start = time.monotonic_ns()
        error = genl.call(abi.NEW_SERVICE, abi.service(addr="10.255.0.1")).error
        times.append(time.monotonic_ns() - start)
        if error or genl.call(abi.DEL_SERVICE, abi.service_id(addr="10.255.0.1")).error:
            sys.exit("reading: a service cannot be added or deleted")
        # The reader's turn.
        time.sleep(0.003)
    return sorted(times)


def beside(reader, genl):
    """The same while a child calls `reader` without end."""
    child = os.fork()
    if not child:
        while True:
            reader()
    # It has begun.
    time.sleep(0.05)
    try:
        return additions(genl)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def main():
    found = {
        name: min(read(name) for _ in range(TIMES if name != "ip_vs" else 2)) for name in FILES
    }
    with netlink.Genl("IPVS") as genl:
        # The middle one: what the scheduler does is in few of them, a mutex that is held in most.
        found["add"] = additions(genl)[ADDITIONS // 2]
        found["add-beside"] = beside(lambda: read("ip_vs_stats"), genl)[ADDITIONS // 2]
    print(json.dumps(found))


main()
