# SPDX-License-Identifier: GPL-2.0
# Benchmarks: make bench, bench-quick, bench-profile.

# Cells and load balancers to measure, separated by commas; all if empty. `tools/bench/bench --help`
# lists them.
CELLS ?=
IMPL ?=

.PHONY: bench-quick
bench-quick: lab-ready all ## CELLS=… IMPL=…: instructions per packet, rust_ipvs beside C, in a few minutes
	@tools/bench/bench quick --cells "$(CELLS)" --impl "$(IMPL)"

# Part of a function's name, to show the basic blocks of matching functions.
FUNCTION ?=

.PHONY: bench-profile
bench-profile: lab-ready all ## CELLS=nat-one IMPL=rust FUNCTION=…: instructions of each function, exactly
	@tools/bench/bench profile --cells "$(or $(CELL),$(CELLS))" --impl "$(IMPL)" --function "$(FUNCTION)"

# Which schedulers the part of that name measures; all if empty.
SCHEDULERS ?=

# Which parts of the bench: count, scale, schedulers, persistence, administration, large,
# scrape, background, sharing, processors, clock, stream; all if empty.
PARTS ?=

.PHONY: bench
bench: lab-ready all module-inline0 module-inline1 ## PARTS=… IMPL=… CELLS=…: every measurement; build/bench.json, build/bench.svg; PROFILE=1 as bench-profile
	@tools/bench/bench $(if $(PROFILE),profile,full) --cells "$(or $(CELL),$(CELLS))" --impl "$(IMPL)" \
		$(if $(PROFILE),--function "$(FUNCTION)",--parts "$(PARTS)" --schedulers "$(SCHEDULERS)")
