#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# C IPVS adds a destination the more slowly, the more destinations were deleted in the last minutes.
#
# Versions: Linux 7.3.4 (Debian 7.3.4-1~bpo13+1, stock), ipvsadm 1.31.
# Set-up: 300 services with a destination each are added, by ipvsadm -R; then 60,000 destinations
# are added and the table is cleared, by ipvsadm -C; then 300 others are added. No packet is sent.
# Expected: the second 300 take as long as the first: the table is empty each time.
# Seen: they take at least twice as long (ten times, when this was written), of the processor's time
# that ipvsadm has, most of it in the kernel. So to clear a large table and restore it, as a
# restarted service does, is slower than to restore it at boot, by the square of its size.
# Reason: deleted destinations wait in a list for two minutes, in case they come again with their
# counters. ip_vs_add_dest() looks through all of it for the one that is added, with the list's lock
# held and softirqs off.
#
# Exit code: 0 as stated, 1 the behaviour has changed, 2 it could not be tried. rust_ipvs is not
# involved. A run takes some minutes on a busy machine.
set -euo pipefail
# shellcheck source=lib/guest.sh
. "$(dirname "$(readlink -f "$0")")/lib/guest.sh"

expected='Linux 7.3.4+deb13-amd64
300 services with a destination each, after 60,000 that were deleted: at least twice as long'
seen=$(
	guest_run <<'GUEST'
cat >/trash.py <<'PYTHON'
import os, subprocess

def rules(first, services, destinations):
    lines = []
    for number in range(first, first + services):
        vip = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:80"
        lines.append(f"-A -u {vip} -s rr")
        lines += [f"-a -u {vip} -r 198.51.100.{n + 1}:80 -m" for n in range(destinations)]
    return "\n".join(lines) + "\n"

def spent(text):
    """Seconds of the processor that ipvsadm takes for them."""
    before = os.times()
    subprocess.run(["ipvsadm", "-R"], input=text, text=True, check=True)
    after = os.times()
    return (after.children_user + after.children_system
            - before.children_user - before.children_system)

first = min(spent(rules(1000 * n, 300, 1)) for n in range(1, 4))
spent(rules(10_000, 6_000, 10))
subprocess.run(["ipvsadm", "-C"], check=True)
second = min(spent(rules(1000 * n, 300, 1)) for n in range(4, 7))
how = "at least twice as long" if second >= 2 * first else f"{second / first:.1f} times as long"
print(f"first {first}, second {second}")
print(f"seen: 300 services with a destination each, after 60,000 that were deleted: {how}")
PYTHON
python3.13 /trash.py
GUEST
)
compare "$seen" "$expected"
