# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Commands of ipvsadm at random, good and bad ones, and what it says to each.

random_commands 500
