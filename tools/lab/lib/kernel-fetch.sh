# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Stock kernel: selects it in the archive, downloads and unpacks it.

# Oldest kernel that rust_ipvs supports.
KERNEL_OLDEST=7.3

LAB_CHOICE=$LAB_CACHE/kernel.choice

# Prints kernels with image, modules, headers and source in the archive: "release version
# source-package image-package", newest first.
kernel_candidates() {
	archive_versions "linux-(headers|modules|binary|binary-unsigned)-[0-9.]+[+]deb[0-9]+-$LAB_ARCH|linux-source-[0-9.]+" |
		awk -v arch="$LAB_ARCH" '
		{ version[$1] = $2 }
		END {
			for (p in version) {
				if (p !~ /^linux-headers-/) continue
				release = substr(p, length("linux-headers-") + 1)
				split(release, n, ".")
				source = "linux-source-" n[1] "." n[2]
				v = version[p]
				if (version[source] != v || version["linux-modules-" release] == "") continue
				# The signed image follows the unsigned one by some days; they hold
				# the same code.
				image = "linux-binary-" release
				if (version[image] == "") image = "linux-binary-unsigned-" release
				if (version[image] == "") continue
				print release, v, source, image
			}
		}' | sort -rV
}

# Chooses the kernel: the one recorded in the lock while the archive has it, else the newest. Writes
# "release version source image" to kernel.choice.
kernel_choose() {
	local candidates recorded='' choice=''
	candidates=$(kernel_candidates)
	[ -n "$candidates" ] || die "the archive holds no kernel with image, modules, headers and source of one version in $LAB_SUITE or its backports"
	if [ -z "${LAB_UPDATE-}" ] && [ -r "$LAB_CACHE/lock" ]; then
		recorded=$(awk '$1 == "kernel" { print $2 }' "$LAB_CACHE/lock")
	fi
	if [ -n "$recorded" ]; then
		choice=$(awk -v r="$recorded" '$1 == r' <<<"$candidates")
		[ -n "$choice" ] || aloud "kernel $recorded of the lock file has left the archive: taking the newest"
	fi
	[ -n "$choice" ] || choice=$(head -n1 <<<"$candidates")
	printf '%s\n%s\n' "$KERNEL_OLDEST" "${choice%% *}" | sort -VC ||
		die "the newest kernel in the archive is ${choice%% *}; rust_ipvs needs $KERNEL_OLDEST or later"
	printf '%s\n' "$choice" >"$LAB_CHOICE"
	aloud "kernel ${choice%% *}"
}

kernel_fetch_key() {
	stage_key "kernel_fetch()" "$(cat "$LAB_CHOICE")"
}

# Downloads and unpacks, beside what is there.
kernel_fetch() {
	local release version source image debs=$LAB_CACHE/debs new=$LAB_CACHE/kernel.new deb
	read -r release version source image <"$LAB_CHOICE"
	remove_folder "$new"
	remove_folder "$debs"
	mkdir -p "$new"/{modules,headers,image,source}
	archive_download "$debs" "$source=$version" "linux-headers-$release" "linux-modules-$release" "$image"
	for deb in "$debs"/*.deb; do
		case ${deb##*/} in
		linux-source-*) dpkg-deb -x "$deb" "$new/source" ;;
		linux-headers-*) dpkg-deb -x "$deb" "$new/headers" ;;
		linux-modules-*) dpkg-deb -x "$deb" "$new/modules" ;;
		linux-binary-*) dpkg-deb -x "$deb" "$new/image" ;;
		esac
	done
	remove_folder "$debs"
	# Debian merges /lib into /usr; modprobe -d wants lib/modules at the top.
	[ ! -d "$new/modules/usr/lib/modules" ] || ln -s usr/lib "$new/modules/lib"
	cp "$(find "$new/image" -type f \( -name 'vmlinuz*' \) | head -n1)" "$new/vmlinuz"
	mkdir -p "$new/build"
	tar -x -J -f "$(find "$new/source" -name 'linux-source-*.tar.xz')" -C "$new/build" --strip-components=1 --no-same-owner
	remove_folder "$new/source"
	remove_folder "$new/image"
	cp "$new/headers/usr/src/linux-headers-$release/.config" "$new/config.debian"
	cp "$new/headers/usr/src/linux-headers-$release/Module.symvers" "$new/Module.symvers"
	# The packages leave these to the full build; depmod would complain of their absence.
	touch "$new/modules/lib/modules/$release"/modules.{builtin,builtin.modinfo,order}
	printf '%s\n' "$release" >"$new/version"
	remove_folder "$new/headers"
}

# The kernel just fetched, or the one in place.
fetched_kernel() {
	if [ -d "$LAB_CACHE/kernel.new" ]; then
		echo "$LAB_CACHE/kernel.new"
	else
		echo "$LAB_KERNEL"
	fi
}

# Puts the new kernel in the place of the old one, at the end, when it is known to be whole.
kernel_place() {
	[ -d "$LAB_CACHE/kernel.new" ] || return 0
	remove_folder "$LAB_CACHE/kernel.old"
	[ ! -d "$LAB_KERNEL" ] || mv "$LAB_KERNEL" "$LAB_CACHE/kernel.old"
	mv "$LAB_CACHE/kernel.new" "$LAB_KERNEL"
	remove_folder "$LAB_CACHE/kernel.old"
}
