# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Messages and exit codes of ipvsadm for invalid requests.

director ipvsadm -D -t 10.0.9.1:80
director ipvsadm -a -t 10.0.9.1:80 -r 10.0.2.11 -m
director ipvsadm -A -t 10.0.9.1:80 -s nosuch
director ipvsadm -A -t 10.0.9.1:80 -s rr
director ipvsadm -A -t 10.0.9.1:80 -s rr
director ipvsadm -E -t 10.0.9.1:81 -s rr
director ipvsadm -E -t 10.0.9.1:80 -s nosuch
director ipvsadm -d -t 10.0.9.1:80 -r 10.0.2.11
director ipvsadm -e -t 10.0.9.1:80 -r 10.0.2.11 -m
director ipvsadm -a -t 10.0.9.1:80 -r 10.0.2.11 -m
director ipvsadm -a -t 10.0.9.1:80 -r 10.0.2.11 -m
director ipvsadm -a -t 10.0.9.1:80 -r 10.0.2.12 -m -x 3 -y 4
director ipvsadm -a -t 10.0.9.1:80 -r 10.0.2.12 -m -w -1
director ipvsadm -a -t 10.0.9.1:80 -r 224.0.0.1 -m
director ipvsadm -a -t 10.0.9.1:80 -r '[fd00:2::b]:80' -m
director ipvsadm -A -t '[fd00:9::1]:80' -s rr -p 10 -M 129
director ipvsadm -Z -t 10.0.9.9:80
director ipvsadm -Ln -t 10.0.9.9:80
director ipvsadm -A -f 0 -s rr
director ipvsadm --set 1 2 3
director ipvsadm -L --timeout
director ipvsadm --set 900 120 300
director ipvsadm -A -u 10.0.9.1:80 -s rr -p 5
director ipvsadm -Sn
table
