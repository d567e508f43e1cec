# SPDX-License-Identifier: GPL-2.0
# The lab's targets. Included by the top Makefile; works from any directory of the checkout.
LAB := $(dir $(lastword $(MAKEFILE_LIST)))lab

.PHONY: lab guest lab-clean

lab: ## fetch toolchain, stock kernel and guest (again: only what changed)
	@$(LAB) setup

guest: lab ## a root shell in the guest: stock kernel, your checkout in /checkout
	@$(LAB) guest

lab-clean: ## remove all that the lab fetched and made
	@$(LAB) clean
