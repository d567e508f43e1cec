# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Two directors: messages of a master byte by byte, and their effect on a backup. Each
# implementation is tested with both kinds of peer.

synchronise
