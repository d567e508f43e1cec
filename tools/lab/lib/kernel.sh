# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The stock kernel: image and modules as Debian ships them, and its source prepared for building modules.

# The oldest kernel that rust_ipvs is written for.
KERNEL_OLDEST=7.3

LAB_CHOICE=$LAB_CACHE/kernel.choice

# Kernels that have all of image, modules, headers and the source they were made from:
# "release version source-package image-package", newest first.
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
				# The signed image follows the unsigned one by some days; they hold the same code.
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

kernel_key() {
	stage_key lib/kernel.sh -- "$(<"$LAB_CHOICE")"
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
	cp "$new/headers/usr/src/linux-headers-$release/.config" "$new/build/.config"
	cp "$new/headers/usr/src/linux-headers-$release/Module.symvers" "$new/Module.symvers"
	printf '%s\n' "$release" >"$new/version"
	remove_folder "$new/headers"
}

# The compiler in the tree must be the one that built the kernel: Rust has no stable interface
# between versions, and the metadata would not fit.
kernel_check_rust() {
	local built ours config=$1/.config
	grep -q '^CONFIG_RUST=y' "$config" ||
		die "kernel $(<"$LAB_CACHE/kernel.new/version") was built without CONFIG_RUST=y: no Rust module can be loaded into it"
	built=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="\(.*\)"/\1/p' "$config")
	ours=$("$LAB_DIR/lab" enter rustc --version)
	[ "$built" = "$ours" ] ||
		die "the kernel was built by \"$built\", and the toolchain tree has \"$ours\": a module of one does not fit the other"
}

# make with Debian's own compiler and release name, in the tree.
kernel_make() {
	local build=$1 release=$2
	shift 2
	"$LAB_DIR/lab" enter make -C "$build" -j"$(nproc)" ARCH=x86 CC=x86_64-linux-gnu-gcc-14 \
		KERNELRELEASE="$release" "$@"
}

# Builds what the headers package leaves out (Rust metadata, host programs).
kernel_prepare() {
	local new=$LAB_CACHE/kernel.new release
	# Fetched and moved into place by a run that was interrupted before its stamp.
	[ -d "$new" ] || { stage_is_done kernel-fetch "$(kernel_key)" && return; }
	release=$(<"$new/version")
	kernel_check_rust "$new/build"
	cp "$new/build/.config" "$new/config.debian"
	kernel_make "$new/build" "$release" olddefconfig
	diff <(grep -v '^#' "$new/config.debian") <(grep -v '^#' "$new/build/.config") ||
		die 'the configuration changed under this toolchain (differences above): the modules would not fit'
	kernel_make "$new/build" "$release" modules_prepare
	cp "$new/Module.symvers" "$new/build/Module.symvers"
	printf '%s\n' "$release" >"$new/build/.lab-release"
	kernel_check_symbols "$new"
	remove_folder "$LAB_CACHE/kernel.old"
	[ ! -d "$LAB_KERNEL" ] || mv "$LAB_KERNEL" "$LAB_CACHE/kernel.old"
	mv "$new" "$LAB_KERNEL"
	remove_folder "$LAB_CACHE/kernel.old"
}

# Rust's symbol names carry a hash of the compiler and the sources: those we built must all be among
# those the stock image exports.
kernel_check_symbols() {
	local new=$1 ours=$1/symbols.ours theirs=$1/symbols.theirs missing
	sed -n 's/^EXPORT_SYMBOL[A-Z_]*(\([^)]*\)).*/\1/p' "$new"/build/rust/exports_*_generated.h | sort -u >"$ours"
	awk '{ print $2 }' "$new/Module.symvers" | sort -u >"$theirs"
	[ -s "$ours" ] || die 'modules_prepare left no list of exported Rust symbols'
	missing=$(comm -23 "$ours" "$theirs")
	[ -z "$missing" ] ||
		die "$(wc -l <<<"$missing") of $(wc -l <"$ours") Rust symbols built here are not in the stock kernel, the first is $(head -n1 <<<"$missing"): modules would not load"
	echo "$(wc -l <"$ours") Rust symbols, all of them in the stock kernel's Module.symvers"
	rm -f "$ours" "$theirs"
}
