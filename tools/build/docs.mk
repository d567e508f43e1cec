# SPDX-License-Identifier: GPL-2.0
# Builds Documentation/ as HTML. Sphinx runs in a tree of its own, which the first call creates.

.PHONY: docs
docs: ## build/docs/html/index.html: the documents, without a warning of Sphinx
	@$(LAB) docs -- sphinx-build -n -W --keep-going -q -d $(BUILD)/docs/.doctrees \
		Documentation $(BUILD)/docs/html
	@echo "$(BUILD)/docs/html/index.html"
