// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/work.rs: inline functions and macros, for which bindgen creates no bindings.
 * Contexts and contracts are stated with the Rust functions that call them.
 */

__rust_ipvs_helper void rust_ipvs_helper_init_delayed_work(struct delayed_work *work,
							   work_func_t func,
							   const char *name,
							   struct lock_class_key *key)
{
	INIT_DELAYED_WORK(work, func);
	/* In place of the one class that the line above gives to all works. */
	lockdep_init_map(&work->work.lockdep_map, name, key, 0);
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
