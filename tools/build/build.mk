# SPDX-License-Identifier: GPL-2.0
# Builds, installs and checks the module, and adds it to a kernel tree.

# Kernel tree: the lab's, or KDIR, which is built with the host's own tools.
KDIR ?=
# Linking of the C helpers: 1 as bitcode, 0 as an object; unset, 1 if the LLVM versions allow it.
INLINE ?= auto

BUILD_MODULE := tools/build/module.sh
lab-for-build := $(if $(KDIR),,lab-ready)
export KDIR V

all: module $(if $(KDIR),,ripvsadm)

# Built by the Cargo of the lab, which has to be there first.
build/ripvsadm: | lab-ready

.PHONY: module
module: $(lab-for-build) ## build/rust_ipvs.ko
	@$(BUILD_MODULE) $(INLINE)

# Both ways of linking, for those who compare or test them; build/rust_ipvs.ko stays as it is.
.PHONY: module-inline0 module-inline1
module-inline0 module-inline1: module-inline%: $(lab-for-build)
	@$(BUILD_MODULE) --only $*

.PHONY: samples
samples: $(lab-for-build) ## build/samples/*.ko: small modules on the abstractions of kapi
	@tools/build/samples.sh

.PHONY: install
install: ## Installs the module and the tool of the last build (DESTDIR=… for a folder of your own)
	@tools/build/install.sh "$(DESTDIR)"

.PHONY: lint
lint: lab-ready ## Formatting, clippy, and the project's own rules
	@tools/build/lint.sh

.PHONY: graph
graph: lab-ready ## What the folders of director/ use of each other, as a table
	@$(IN_LAB) tools/build/graph.py

.PHONY: kapi
kapi: lab-ready ## Lines of comments and of code of each file of kapi/, as a table
	@$(IN_LAB) tools/build/kapi.py --measure

.PHONY: schedulers
schedulers: lab-ready ## The lists of schedulers, written from the table in rust_ipvs/logic/sched.rs
	@$(IN_LAB) tools/build/schedulers.py --write
	@$(MAKE) --no-print-directory ripvsadm-pages

.PHONY: uapi
uapi: ynl ## The constants of the netlink family, written from Documentation/netlink/specs/ipvs.yaml
	@$(IN_LAB) tools/build/uapi.py --write

# The kernel's YNL tools with that specification, as lint and the selftest ynl.py run them.
.PHONY: ynl
ynl: lab-ready
	@tools/build/ynl.sh

.PHONY: patch
patch: lab-ready ## build/rust_ipvs.patch, which puts the module into a kernel tree
	@mkdir -p $(BUILD)
	@eval "$$($(LAB) env)" && $(IN_LAB) tools/build/in-tree.sh patch "$$LAB_KDIR" >$(BUILD)/rust_ipvs.patch
	@echo "$(BUILD)/rust_ipvs.patch: $$(grep -c '^+++ ' $(BUILD)/rust_ipvs.patch) files"

.PHONY: in-tree
in-tree: ## Makes the patch for the tree KDIR and applies it there
	@test -n "$(KDIR)" || { echo "make in-tree needs KDIR=<kernel source>" >&2; exit 2; }
	@tools/build/in-tree.sh apply "$(KDIR)"

.PHONY: series
series: lab-ready ## build/series/*/*.patch: the module as patches for the tree KDIR (unset: the lab's kernel)
	@eval "$$($(LAB) env)" && $(IN_LAB) tools/build/series.py "$${KDIR:-$$LAB_KDIR}" $(BUILD)/series

.PHONY: test-series
test-series: series ## Applies the patches, builds after each, and runs checkpatch on each
	@tools/build/test-series.sh

.PHONY: test-in-tree
test-in-tree: lab-ready ripvsadm ## Builds inside a kernel tree, as a module and built in, and boots one
	@tools/build/test-in-tree.sh

.PHONY: test-debug-kernel
test-debug-kernel: lab-ready ripvsadm storm ## Selftests under KASAN, kmemleak and lockdep (the first time it builds that kernel)
	@tools/build/test-debug-kernel.sh $(TESTS)

.PHONY: clean
clean: ## Removes what was built here (not the lab's cache: lab-clean)
	rm -rf $(BUILD)
