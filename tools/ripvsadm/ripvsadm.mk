# SPDX-License-Identifier: GPL-2.0
# Builds and tests ripvsadm, with the Cargo of the lab's tree: the result runs in its userland.
#
# Included from the Makefile at the top, or by itself from there:
#   make -f tools/ripvsadm/ripvsadm.mk ripvsadm

RIPVSADM_SRC := tools/ripvsadm
RIPVSADM_TARGET := build/cargo
RIPVSADM_CARGO := nice tools/lab/lab enter -- cargo
RIPVSADM_FLAGS := --locked --manifest-path $(RIPVSADM_SRC)/Cargo.toml --target-dir $(RIPVSADM_TARGET)

# Where it is installed: below DESTDIR, which packagers set.
PREFIX ?= /usr

.PHONY: ripvsadm ripvsadm-test ripvsadm-pages ripvsadm-lint ripvsadm-install

ripvsadm: build/ripvsadm

# Cargo knows best what is out of date, so it is always asked; the copy is only made anew where
# the program changed.
build/ripvsadm: ripvsadm-force
	@mkdir -p build
	$(RIPVSADM_CARGO) build --release $(RIPVSADM_FLAGS)
	@cmp -s $(RIPVSADM_TARGET)/release/ripvsadm $@ || cp $(RIPVSADM_TARGET)/release/ripvsadm $@

.PHONY: ripvsadm-force
ripvsadm-force:

ripvsadm-test:
	$(RIPVSADM_CARGO) test --workspace $(RIPVSADM_FLAGS)

# Writes the manual page, the completions and the schema from the program's tables, with which
# ripvsadm-test compares them.
ripvsadm-pages:
	RIPVSADM_WRITE=1 $(RIPVSADM_CARGO) test $(RIPVSADM_FLAGS) --bin ripvsadm generate

ripvsadm-lint:
	nice tools/lab/lab enter -- sh -c 'cd $(RIPVSADM_SRC) && cargo fmt --all -- --check'
	$(RIPVSADM_CARGO) clippy --workspace --all-targets $(RIPVSADM_FLAGS) -- -D warnings

# The program that was last built, its manual page, the schema of what it applies, the completion of
# its options for three shells, and systemd's units, which name the program where it is. Where only
# the module was built, for a kernel of one's own, there is nothing to install.
RIPVSADM_SHARE = $(DESTDIR)$(PREFIX)/share
RIPVSADM_UNITS = $(DESTDIR)$(PREFIX)/lib/systemd/system
ripvsadm-install:
	@if [ -x build/ripvsadm ]; then \
		install -v -D -m 755 build/ripvsadm "$(DESTDIR)$(PREFIX)/sbin/ripvsadm" && \
		install -v -D -m 644 $(RIPVSADM_SRC)/ripvsadm.8 "$(RIPVSADM_SHARE)/man/man8/ripvsadm.8" && \
		install -v -D -m 644 $(RIPVSADM_SRC)/ripvsadm.schema.json \
			"$(RIPVSADM_SHARE)/ripvsadm/ripvsadm.schema.json" && \
		install -v -D -m 644 $(RIPVSADM_SRC)/completions/ripvsadm.bash \
			"$(RIPVSADM_SHARE)/bash-completion/completions/ripvsadm" && \
		install -v -D -m 644 $(RIPVSADM_SRC)/completions/_ripvsadm \
			"$(RIPVSADM_SHARE)/zsh/vendor-completions/_ripvsadm" && \
		install -v -D -m 644 $(RIPVSADM_SRC)/completions/ripvsadm.fish \
			"$(RIPVSADM_SHARE)/fish/vendor_completions.d/ripvsadm.fish" && \
		for unit in $(RIPVSADM_SRC)/systemd/*; do \
			sed 's|=/usr/sbin/|=$(PREFIX)/sbin/|' "$$unit" | \
				install -v -D -m 644 /dev/stdin \
					"$(RIPVSADM_UNITS)/$${unit##*/}" || exit; \
		done; \
	else \
		echo 'there is no build/ripvsadm to install: "make ripvsadm" makes it'; \
	fi
