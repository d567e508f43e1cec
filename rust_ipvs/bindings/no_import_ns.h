/* SPDX-License-Identifier: GPL-2.0 */
/* Included before the kernel's helpers where they are linked as bitcode: they shall import no symbol namespace. */
#include <linux/module.h>
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns)
