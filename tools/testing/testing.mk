# SPDX-License-Identifier: GPL-2.0
# Showing and testing: make demo, test, compare, behaviour, storm.

# The name of a scenario in tools/testing/compare/scenarios, or "all".
SCENARIO ?= all

.PHONY: demo
demo: lab-ready all ## A load balancer at work in the guest; SAMPLE=shop|pcc|ftp|ftp-nat|sip: a set-up of samples/
	@tools/testing/demo/demo $(SAMPLE)

.PHONY: test
test: ## Everything: host tests, lint, builds, selftests in the guest, the kernel's own ipvs.sh
	@tools/testing/run

.PHONY: compare
compare: lab-ready all ## SCENARIO=<name>|all on C ip_vs and on rust_ipvs, and how they differ
	@tools/testing/compare/compare $(SCENARIO)

.PHONY: kselftest
kselftest: lab-ready module ## TESTS='hooks.py …'|all: the selftests as a kernel tree runs them, in the guest
	@$(if $(TESTS),TESTS='$(TESTS)') tools/testing/kselftest.sh

.PHONY: behaviour
behaviour: ## Which tests cite each numbered behaviour, and how many have none
	@tools/testing/behaviour

# The program that storm.py sends packets by, for any kernel.
.PHONY: storm
storm: $(BUILD)/storm

$(BUILD)/storm: tools/testing/storm/storm.c | lab-ready
	@mkdir -p $(BUILD)
	@$(IN_LAB) x86_64-linux-gnu-gcc-14 -O2 -Wall -Wextra -Werror -static -o $@ $<
