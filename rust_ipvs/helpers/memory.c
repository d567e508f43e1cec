// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/memory.rs: inline functions and macros, for which bindgen creates no
 * bindings. Contexts and contracts are stated with the Rust functions that call them.
 */

/* Returns the number of directly mapped pages beyond the high watermarks. */
__rust_ipvs_helper unsigned long rust_ipvs_helper_free_buffer_pages(void)
{
	return nr_free_buffer_pages();
}

__rust_ipvs_helper unsigned long rust_ipvs_helper_free_pages(void)
{
	struct sysinfo info;

	si_meminfo(&info);
	return info.freeram + info.bufferram;
}
