#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the sample modules, each a folder with a Kbuild file under samples/.
set -euo pipefail

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
# shellcheck source=lib.sh
. "$root/tools/build/lib.sh"

choose_kernel
# Linked as bitcode, a sample contains the helpers that it calls; as an object, all helpers and what
# they reference.
inline=0
! choose_llvm || inline=1
for makefile in "$root"/samples/*/Makefile; do
	folder=${makefile%/Makefile}
	name=${folder##*/}
	build_module "$folder" "$root/build/samples/$name" CONFIG_RUST_IPVS=m "INLINE=$inline"
	cmp -s "$root/build/samples/$name/$name.ko" "$root/build/samples/$name.ko" ||
		cp "$root/build/samples/$name/$name.ko" "$root/build/samples/$name.ko"
	say "build/samples/$name.ko"
done
