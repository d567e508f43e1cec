# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Two directors: what a master sends, byte by byte in words, and what a backup makes of messages.
# Both speak to either kind.

synchronise
