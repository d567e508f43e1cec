# SPDX-License-Identifier: GPL-2.0
# Measuring: make bench, bench-quick.

# Which cells and which balancers, with commas between; all if empty. `tools/bench/bench --help` names them.
CELLS ?=
IMPL ?=

.PHONY: bench-quick
bench-quick: lab-ready all ## CELLS=… IMPL=…: instructions per packet, rust_ipvs beside C, in a few minutes
	@tools/bench/bench quick --cells "$(CELLS)" --impl "$(IMPL)"
