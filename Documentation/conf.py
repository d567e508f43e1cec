# SPDX-License-Identifier: GPL-2.0
"""Sphinx's settings for `make docs`."""

project = "rust_ipvs"
copyright = "the rust_ipvs developers"
exclude_patterns = []
extensions = []
nitpicky = True
html_theme = "alabaster"
html_theme_options = {"page_width": "70em", "sidebar_width": "16em"}
html_copy_source = False
html_show_copyright = False
