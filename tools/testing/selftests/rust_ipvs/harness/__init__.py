# SPDX-License-Identifier: GPL-2.0
"""What the Python tests of rust_ipvs share: TAP, namespaces, servers and clients, packets, IPVS itself."""
