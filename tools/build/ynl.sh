#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Copies the kernel's YNL tools, the specifications and the Python modules that they need to
# build/ynl, in the layout of a kernel tree: the tools find schema and root by it, and the guest
# sees it in the checkout. Attributes that the kernel's header does not have yet are added to its
# copy by Documentation/netlink/ip_vs.h.patch, if there is one (CONTRIBUTING.md).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
eval "$(tools/lab/lab env)"

out=build/ynl
rm -rf "$out.new"
mkdir -p "$out.new"/{tools/net/ynl,include/linux,Documentation/netlink/specs}
cp -r "$LAB_KDIR"/tools/net/ynl/{pyynl,lib} "$out.new/tools/net/ynl/"
find "$out.new" -name __pycache__ -prune -exec rm -rf {} +
cp "$LAB_KDIR"/Documentation/netlink/*.yaml "$out.new/Documentation/netlink/"
cp Documentation/netlink/specs/*.yaml "$out.new/Documentation/netlink/specs/"
cp "$LAB_KDIR/include/uapi/linux/ip_vs.h" "$out.new/include/linux/"
added=Documentation/netlink/ip_vs.h.patch
[ ! -f "$added" ] || git apply -p3 --directory="$out.new/include" "$added"
cp -r "$LAB_PYTHON" "$out.new/python"
# By this file the generator of C knows the root of a kernel tree.
touch "$out.new/MAINTAINERS"
rm -rf "$out"
mv "$out.new" "$out"
