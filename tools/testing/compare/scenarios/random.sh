# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Random commands of ipvsadm, valid and invalid, and its answers.

random_commands 500
