/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before the kernel's helpers if they are linked as bitcode, so that they import no symbol
 * namespace.
 */
#include <linux/module.h>
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns)
