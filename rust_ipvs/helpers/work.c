// SPDX-License-Identifier: GPL-2.0
/* What kapi/work.rs takes from the kernel's headers. */

__rust_ipvs_helper void rust_ipvs_helper_init_delayed_work(struct delayed_work *work,
							   work_func_t func)
{
	INIT_DELAYED_WORK(work, func);
}

__rust_ipvs_helper bool rust_ipvs_helper_queue_delayed_work(struct delayed_work *work,
							    unsigned long delay)
{
	return queue_delayed_work(system_dfl_wq, work, delay);
}

__rust_ipvs_helper void rust_ipvs_helper_mod_delayed_work(struct delayed_work *work,
							  unsigned long delay)
{
	mod_delayed_work(system_dfl_wq, work, delay);
}
