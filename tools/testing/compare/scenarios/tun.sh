# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# TUN: packets are encapsulated in IP packets.

by_method -i
