# SPDX-License-Identifier: GPL-2.0
# Measuring: make bench-quick, bench-profile.

# Which cells and which balancers, with commas between; all if empty. `tools/bench/bench --help` names them.
CELLS ?=
IMPL ?=

.PHONY: bench-quick
bench-quick: lab-ready all ## CELLS=… IMPL=…: instructions per packet, rust_ipvs beside C, in a few minutes
	@tools/bench/bench quick --cells "$(CELLS)" --impl "$(IMPL)"

# The blocks of which functions are shown one by one: a part of a name.
FUNCTION ?=

.PHONY: bench-profile
bench-profile: lab-ready all ## CELLS=nat-one IMPL=rust FUNCTION=…: instructions of each function, exactly
	@tools/bench/bench profile --cells "$(or $(CELL),$(CELLS))" --impl "$(IMPL)" --function "$(FUNCTION)"
