// SPDX-License-Identifier: GPL-2.0
/* What kapi/memory.rs takes from the kernel's headers. */

/* Pages that are free, or hold what can be read again at once. */
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
