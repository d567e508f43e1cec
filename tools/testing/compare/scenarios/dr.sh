# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# DR: real servers answer the client themselves.

by_method -g
