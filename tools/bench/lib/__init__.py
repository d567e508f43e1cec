# SPDX-License-Identifier: GPL-2.0
"""The bench's half on the host: what is measured, where, and how it is shown."""
