# SPDX-License-Identifier: GPL-2.0
# Testing rust_ipvs/logic on the host, with the Cargo of the lab's tree.

.PHONY: logic-test
logic-test: lab-ready ## The host tests of rust_ipvs/logic
	@tools/logic-tests/run
