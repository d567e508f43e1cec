/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Read before each C file that clang compiles to bitcode, in a kernel that GCC configured.
 *
 * GCC prints the segment of a per-CPU operand in inline assembly by itself, from the operand's
 * named
 * address space. Clang knows the address space and prints nothing, so `this_cpu_add()` and the
 * preemption count would be at addresses without %gs. Without this option the kernel's headers
 * write the segment into the assembly.
 */
#ifdef __clang__
#undef CONFIG_USE_X86_SEG_SUPPORT
#undef CONFIG_CC_HAS_NAMED_AS
#endif
