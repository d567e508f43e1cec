# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# NAT: the director rewrites both directions.

by_method -m
