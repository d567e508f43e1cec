# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Debian's keepalived: servers fail and recover under load.

fail_and_recover
