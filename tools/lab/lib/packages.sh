# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Lists of Debian packages, one for each use.
# shellcheck disable=SC2034 # the lists are read by the stages

# Programs required on the host, as "program package".
HOST_NEEDS='mmdebstrap mmdebstrap
apt-get apt
unshare util-linux
flock util-linux
tar tar
xz xz-utils
dpkg-deb dpkg'

# The toolchain tree: everything that builds, lints, tests and boots.
TREE_PACKAGES='rustc rust-src rustfmt rust-clippy cargo bindgen clang lld llvm
gcc-14 gcc libc6-dev make flex bison bc libelf-dev libssl-dev libdw-dev libnl-3-dev libnl-genl-3-dev pahole kmod cpio
patch xz-utils zstd python3 rsync git ca-certificates perl shellcheck pyflakes3 file less procps
e2fsprogs libarchive13t64 busybox-static qemu-system-x86 seabios ipxe-qemu pkgconf'

# The guest: the kernel's users as a person would meet them, and what drives and watches traffic.
GUEST_PACKAGES='iproute2 ipvsadm keepalived nginx-light curl vsftpd ftp lftp socat nftables
iptables tcpdump conntrack ethtool python3 python3-scapy iperf3 procps kmod ipset iputils-ping
traceroute bash less ncat gdb-minimal strace ca-certificates sip-tester'

# The documents' tree: what makes HTML of Documentation/. Only "make docs" needs it.
DOCS_PACKAGES='python3-sphinx make python3'

# What checks metrics: promtool, the exporter that ripvsadm's metrics resemble, a parser and the
# module that it needs.
PROMETHEUS_PACKAGES='promtool prometheus-node-exporter python3-prometheus-client python3-decorator'

# Python modules for the kernel's YNL tools (tools/net/ynl/requirements.txt), with what they need.
PYTHON_PACKAGES='python3-yaml python3-jsonschema python3-attr python3-jsonschema-specifications
python3-referencing python3-rpds-py'
