# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# 4,000 services of 5 servers each: restored, listed, saved, and restored from the saved rules.

for ((n = 0; n < 4000; n++)); do
	vip=10.100.$((n / 200)).$((n % 200 + 1)):80
	echo "-A -t $vip -s wrr"
	for server in 1 2 3 4 5; do
		echo "-a -t $vip -r 10.200.$((n % 256)).$server:80 -m -w $server"
	done
done >/tmp/many
for _ in 1 2; do
	director bash -c 'ipvsadm -R </tmp/many && ipvsadm -Ln | sed 1d | md5sum && ipvsadm -Sn >/tmp/saved && sort /tmp/saved | md5sum'
	director bash -c 'cmp <(sort /tmp/many) <(sort /tmp/saved) && echo what was restored is what is saved'
	director ipvsadm -C
	mv /tmp/saved /tmp/many
done
