#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Installs the last build: the module, a modprobe file that loads it in place of ip_vs, and
# ripvsadm.
set -euo pipefail

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
# shellcheck source=lib.sh
. "$root/tools/build/lib.sh"
destination=${1-}

choose_kernel
[ -r "$root/build/rust_ipvs.ko" ] || die 'there is no build/rust_ipvs.ko: run "make" first, as the user who builds'

# Which of the two folders build/rust_ipvs.ko came from.
for inline in 1 0; do
	out=$root/build/inline$inline
	! cmp -s "$out/rust_ipvs.ko" "$root/build/rust_ipvs.ko" || break
done
cmp -s "$out/rust_ipvs.ko" "$root/build/rust_ipvs.ko" || die 'build/rust_ipvs.ko is older than its parts: run "make"'

# By way of a folder of our own, because the tools of the lab do not see the host's /lib. Kbuild
# would run depmod for a folder without the kernel's other modules. The stock kernel's signing key
# is Debian's own.
stage=$root/build/stage
unsigned=(CONFIG_MODULE_SIG_ALL=)
[ -z "${KDIR-}" ] || unsigned=()
rm -rf "$stage"
"${tools[@]}" make -C "$kdir" "${kbuild[@]}" --no-print-directory M="$root/rust_ipvs" MO="$out" CONFIG_RUST_IPVS=m \
	"INLINE=$inline" INSTALL_MOD_PATH="$stage" DEPMOD=true "${unsigned[@]}" \
	modules_install 2>&1 | quiet
modules=$destination/lib/modules/$release
(cd "$stage/lib/modules/$release" && find . -name '*.ko*' -type f) | while read -r file; do
	install -D -m 644 "$stage/lib/modules/$release/$file" "$modules/$file"
	say "${modules}/${file#./}"
done
rm -rf "$stage"
PATH=$PATH:/usr/sbin:/sbin
if [ -r "$modules/modules.order" ] && command -v depmod >/dev/null; then
	depmod ${destination:+-b "$destination"} "$release"
elif [ -r "$modules/modules.order" ] && [ -n "$destination" ]; then
	"${tools[@]}" depmod -b "$(readlink -f "$destination")" "$release"
elif [ -r "$modules/modules.order" ]; then
	die 'there is no depmod here, which would tell modprobe of the module: install kmod, and do this again'
else
	say "$modules is not the folder of a kernel: depmod was not run there"
fi
# Where distributions put such files: one of the same name in /etc/modprobe.d takes its place.
conf=$destination/usr/lib/modprobe.d/rust_ipvs.conf
install -D -m 644 "$root/tools/build/modprobe.d/rust_ipvs.conf" "$conf"
say "$conf"
make -C "$root" --no-print-directory ripvsadm-install DESTDIR="$destination"
