// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/procfs.rs: inline functions and macros, for which bindgen creates no
 * bindings. Contexts and contracts are stated with the Rust functions that call them.
 */

__rust_ipvs_helper void *rust_ipvs_helper_seq_file_data(struct seq_file *seq)
{
	return pde_data(file_inode(seq->file));
}
