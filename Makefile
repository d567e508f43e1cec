# SPDX-License-Identifier: GPL-2.0
# The project's commands. `make` builds the module and its tool; `make help` lists the rest.
#
# What a command does stands in the fragment of its tool, tools/*/*.mk.

MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

# Everything that is made is under BUILD; the lab keeps its own things in its cache, outside the
# checkout.
BUILD := build
LAB := tools/lab/lab
IN_LAB = $(LAB) enter --

.PHONY: all
all: ## The module and, for the lab's kernel, the tool (default)

include $(sort $(wildcard tools/*/*.mk))

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nVariables: INLINE=0|1  KDIR=<prepared kernel tree>  DESTDIR=<folder>  V=1\n'

# What the lab makes, made where it is not there yet; a few milliseconds where it is.
.PHONY: lab-ready
lab-ready:
	@$(LAB) setup
