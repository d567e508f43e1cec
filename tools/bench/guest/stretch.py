#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""For how long a reader of many destinations keeps a processor to itself: prints the longest system call of a dump.

Between two calls others may run. Where the guest's clock counts instructions, a nanosecond is one. Each dump has the same
calls, so that of each the least disturbed counts: interrupts and others' work would be in it as well. The argument is
the number of destinations that the service 10.0.0.1:80 of TCP has.
"""

import json
import struct
import sys
import time

sys.path.insert(0, "/checkout/tools/testing/selftests/rust_ipvs")
from harness import abi, netlink  # noqa: E402

NLMSG_DONE = 3
DUMPS = 4


def timed(call, *arguments):
    """What a call returns, and how many nanoseconds it took."""
    start = time.monotonic_ns()
    result = call(*arguments)
    return result, time.monotonic_ns() - start


def dump(genl):
    """Reads all destinations; returns how many came, and the time of each system call."""
    body = struct.pack("=BBH", abi.GET_DEST, 1, 0) + abi.service_id()
    flags = netlink.NLM_F_REQUEST | netlink.NLM_F_DUMP
    request = struct.pack("=IHHII", 16 + len(body), genl.family, flags, 77, 0) + body
    times, count = [timed(genl.socket.send, request)[1]], 0
    while True:
        data, nanoseconds = timed(genl.socket.recv, 1 << 17)
        times.append(nanoseconds)
        while data:
            length, kind = struct.unpack_from("=IH", data)
            if kind == NLMSG_DONE:
                return count, times
            count += kind == genl.family
            data = data[(length + 3) & ~3 :]


def main():
    with netlink.Genl("IPVS") as genl:
        dumps = [dump(genl) for _ in range(DUMPS)]
    counts = {count for count, _ in dumps}
    if counts != {int(sys.argv[1])}:
        sys.exit(f"stretch: {counts} destinations came, and not {sys.argv[1]}")
    # The first one may have found caches cold, and buffers of another size.
    times = [min(same) for same in zip(*[times for _, times in dumps[1:]])]
    print(json.dumps({"longest": max(times), "all": sum(times), "calls": len(times)}))


main()
