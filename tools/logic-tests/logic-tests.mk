# SPDX-License-Identifier: GPL-2.0
# Testing rust_ipvs/logic on the host, with the Cargo of the lab's tree.

.PHONY: plots
plots: lab-ready ## Documentation/schedulers/*.svg: how each scheduler spreads connections
	@$(IN_LAB) cargo run --quiet --release --locked --manifest-path tools/logic-tests/Cargo.toml \
		--target-dir $(BUILD)/logic-tests --bin plots -- Documentation/schedulers

.PHONY: logic-test
logic-test: lab-ready ## The host tests of rust_ipvs/logic
	@tools/logic-tests/run

# Seconds that each fuzz target runs.
SECONDS_EACH ?= 60

.PHONY: fuzz
fuzz: lab-ready ## SECONDS_EACH=60: fuzzes what reads other people's bytes, guided by coverage
	@tools/logic-tests/fuzz.sh --seconds "$(SECONDS_EACH)"
