# SPDX-License-Identifier: GPL-2.0
# The model checker, with the Cargo of the lab's tree.

.PHONY: model
model: lab-ready ## The model checker: table, control counts, status in every order (LONG=1: more)
	@tools/model/run
