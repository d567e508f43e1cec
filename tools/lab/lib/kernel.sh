# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Source of the stock kernel, prepared to build modules for the stock image.

# The preparation depends on the compiler and the kernel.
kernel_key() {
	stage_key "kernel_prepare()" "kernel_make()" "kernel_check_symbols()" "$(cat "$LAB_CHOICE")" \
		"$(grep -E '^(rustc|bindgen|clang-.*|gcc-14) ' "$LAB_CACHE/tree.packages")"
}

# The compiler in the tree must be the one that built the kernel: Rust has no stable ABI, and its
# metadata depends on the version.
kernel_check_rust() {
	local built ours config=$1
	grep -q '^CONFIG_RUST=y' "$config" ||
		die "kernel $release was built without CONFIG_RUST=y: no Rust module can be loaded into it"
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

# Builds what the headers package leaves out (Rust metadata, host programs), where it was unpacked.
kernel_prepare() {
	local new release
	new=$(fetched_kernel)
	release=$(<"$new/version")
	kernel_check_rust "$new/config.debian"
	cp "$new/config.debian" "$new/build/.config"
	kernel_make "$new/build" "$release" olddefconfig
	diff <(grep -v '^#' "$new/config.debian") <(grep -v '^#' "$new/build/.config") ||
		die 'the configuration changed under this toolchain (differences above): the modules would not fit'
	kernel_make "$new/build" "$release" modules_prepare
	cp "$new/Module.symvers" "$new/build/Module.symvers"
	"$LAB_DIR/lab" enter depmod -b "$new/modules" "$release"
	# The very image, unpacked: QEMU starts it at once, where an emulated processor would need a
	# second.
	"$LAB_DIR/lab" enter bash "$new/build/scripts/extract-vmlinux" "$new/vmlinuz" >"$new/vmlinux"
	kernel_check_symbols "$new"
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
