// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/cpus.rs: inline functions and macros, for which bindgen creates no bindings.
 * Contexts and contracts are stated with the Rust functions that call them.
 */

__rust_ipvs_helper bool rust_ipvs_helper_cpulist_empty(const struct cpumask *mask)
{
	return cpumask_empty(mask);
}

__rust_ipvs_helper int rust_ipvs_helper_cpulist_parse(const char *text, struct cpumask *mask)
{
	int err = cpulist_parse(text, mask);

	if (!err)
		cpumask_and(mask, mask, current->cpus_ptr);
	return err;
}

__rust_ipvs_helper int rust_ipvs_helper_cpulist_print(char *text, size_t size,
						      const struct cpumask *mask)
{
	int length;

	/* The mask of housekeeping CPUs may be replaced. RCU keeps the old one valid. */
	rcu_read_lock();
	if (!mask)
		mask = housekeeping_cpumask(HK_TYPE_KTHREAD);
	length = scnprintf(text, size, "%*pbl\n", cpumask_pr_args(mask));
	rcu_read_unlock();
	return length;
}

__rust_ipvs_helper unsigned int rust_ipvs_helper_next_cpu(unsigned int from)
{
	/* A result of nr_cpu_ids or more means that there is no such CPU. */
	return from < nr_cpu_ids ? cpumask_next((int)from - 1, cpu_possible_mask) : nr_cpu_ids;
}

__rust_ipvs_helper unsigned int rust_ipvs_helper_cpu_ids(void)
{
	return nr_cpu_ids;
}
