# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# TUN: packets travel in packets.

by_method -i
