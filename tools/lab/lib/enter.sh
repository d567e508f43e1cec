# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# `lab enter`: runs a command inside the toolchain tree, with the host's paths mounted in it.

# Variables of the host's toolchains, which are not valid in the tree.
ENTER_UNSET=(RUSTUP_HOME RUSTUP_TOOLCHAIN RUSTUP_AUTO_INSTALL RUSTC RUSTFLAGS RUSTC_WRAPPER RUSTDOC
	CC CXX LD AR LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME PERL5LIB PERLLIB PYENV_ROOT VIRTUAL_ENV
	BASH_ENV ENV LC_ALL LANGUAGE GOPATH TMPDIR)

lab_enter() {
	case ${1-} in
	--help)
		cat <<-'EOF'
		usage: lab enter [--] CMD…
		Runs CMD inside the toolchain tree. The host's folders (home, /tmp, …), the checkout, the
		cache and the current directory are where they are on the host; /usr and /etc are the tree's.
		EOF
		return
		;;
	--) shift ;;
	esac
	[ $# -gt 0 ] || set -- bash
	# Inside already: a recipe may be run by hand in "lab enter" as well as by make.
	if [ "${LAB_INSIDE-}" = "$LAB_TREE" ]; then
		exec "$@"
	fi
	[ -d "$LAB_TREE/usr" ] || die 'there is no toolchain tree yet: run "tools/lab/lab setup"'
	# As long as anything runs in it, a new set-up does not remove this tree.
	exec 8<"$LAB_TREE"
	flock -s 8
	unset "${ENTER_UNSET[@]}"
	export LAB_CACHE LAB_TREE LAB_CHECKOUT
	local namespace=(--mount --propagation private)
	is_root || namespace+=(--user --map-root-user)
	exec unshare "${namespace[@]}" -- bash "$LAB_DIR/lib/enter-inner.sh" "$@"
}
