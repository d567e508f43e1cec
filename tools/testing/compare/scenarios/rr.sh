# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Round robin, while real servers are added, removed and change their weights.

director ipvsadm -A -u 10.0.9.1:80 -s rr
ask -u 10.0.9.1
for n in 11 12 13; do
	director ipvsadm -a -u 10.0.9.1:80 -r "10.0.2.$n" -m
done
for _ in 1 2 3 4; do
	ask -u 10.0.9.1
done
director ipvsadm -d -u 10.0.9.1:80 -r 10.0.2.13
for _ in 1 2 3; do
	ask -u 10.0.9.1
done
director ipvsadm -a -u 10.0.9.1:80 -r 10.0.2.13 -m -w 5
for _ in 1 2 3 4; do
	ask -u 10.0.9.1
done
director ipvsadm -e -u 10.0.9.1:80 -r 10.0.2.11 -m -w 0
for _ in 1 2 3 4; do
	ask -u 10.0.9.1
done
director ipvsadm -D -u 10.0.9.1:80
ask -u 10.0.9.1
director ipvsadm -A -u 10.0.9.1:80 -s rr
director ipvsadm -a -u 10.0.9.1:80 -r 10.0.2.11 -m
ask -u 10.0.9.1
table
connections
