// SPDX-License-Identifier: GPL-2.0
/* What kapi/procfs.rs takes from the kernel's headers. */

__rust_ipvs_helper void *rust_ipvs_helper_seq_file_data(struct seq_file *seq)
{
	return pde_data(file_inode(seq->file));
}
