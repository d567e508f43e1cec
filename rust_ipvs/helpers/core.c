// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/rcu.rs, kapi/slab.rs, kapi/table.rs, kapi/percpu.rs and kapi/time.rs: inline
 * functions and macros, for which bindgen creates no bindings. Contexts and contracts are stated
 * with the Rust functions that call them.
 */

__rust_ipvs_helper unsigned long rust_ipvs_helper_xchg(unsigned long *word, unsigned long value)
{
	return xchg(word, value);
}

__rust_ipvs_helper unsigned long rust_ipvs_helper_cmpxchg(unsigned long *word, unsigned long old,
							  unsigned long value)
{
	return cmpxchg(word, old, value);
}

__rust_ipvs_helper void rust_ipvs_helper_spin_lock_init(spinlock_t *lock)
{
	spin_lock_init(lock);
}

__rust_ipvs_helper void rust_ipvs_helper_spin_lock_bh(spinlock_t *lock)
{
	spin_lock_bh(lock);
}

__rust_ipvs_helper void rust_ipvs_helper_spin_unlock_bh(spinlock_t *lock)
{
	spin_unlock_bh(lock);
}

/*
 * spin_lock_bh() where bottom halves need not be turned off because they are: a packet in a softirq
 * spares the count, and the look for pending softirqs at its end. Returns true if it has turned
 * them off.
 */
__rust_ipvs_helper bool rust_ipvs_helper_spin_lock_softirq(spinlock_t *lock)
{
	if (likely(softirq_count())) {
		spin_lock(lock);
		return false;
	}
	spin_lock_bh(lock);
	return true;
}

__rust_ipvs_helper void rust_ipvs_helper_spin_unlock_softirq(spinlock_t *lock, bool bh)
{
	if (unlikely(bh))
		spin_unlock_bh(lock);
	else
		spin_unlock(lock);
}

__rust_ipvs_helper void rust_ipvs_helper_spin_lock_nested(spinlock_t *lock, int subclass)
{
	spin_lock_nested(lock, subclass);
}

__rust_ipvs_helper void rust_ipvs_helper_spin_unlock(spinlock_t *lock)
{
	spin_unlock(lock);
}

__rust_ipvs_helper void rust_ipvs_helper_cond_resched(void)
{
	cond_resched();
}

/* An inline function in kernels without SMP. */
__rust_ipvs_helper void rust_ipvs_helper_synchronize_rcu_expedited(void)
{
	synchronize_rcu_expedited();
}

/*
 * Per-CPU addresses are passed as integers. A pointer with the __percpu qualifier differs in type
 * from the pointer that Rust passes, which would keep the function from being inlined.
 */
__rust_ipvs_helper void rust_ipvs_helper_this_cpu_add(unsigned long counter, u64 value)
{
	this_cpu_add(*(u64 __percpu *)counter, value);
}

__rust_ipvs_helper u64 rust_ipvs_helper_this_cpu_inc_return(unsigned long counter)
{
	return this_cpu_inc_return(*(u64 __percpu *)counter);
}

__rust_ipvs_helper void rust_ipvs_helper_this_cpu_write(unsigned long counter, u64 value)
{
	this_cpu_write(*(u64 __percpu *)counter, value);
}

__rust_ipvs_helper void rust_ipvs_helper_percpu_sums(unsigned long counters, unsigned int count,
						     u64 *sums)
{
	unsigned int i;
	int cpu;

	memset(sums, 0, count * sizeof(*sums));
	for_each_possible_cpu(cpu) {
		const u64 *own = per_cpu_ptr((u64 __percpu *)counters, cpu);

		for (i = 0; i < count; i++)
			sums[i] += READ_ONCE(own[i]);
	}
}

__rust_ipvs_helper void rust_ipvs_helper_percpu_zero(unsigned long counters, unsigned int count)
{
	int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr((u64 __percpu *)counters, cpu), 0, count * sizeof(u64));
}

__rust_ipvs_helper u64 rust_ipvs_helper_percpu_read(unsigned long counter, unsigned int cpu)
{
	return READ_ONCE(*per_cpu_ptr((u64 __percpu *)counter, cpu));
}

__rust_ipvs_helper unsigned long rust_ipvs_helper_percpu_alloc(size_t size)
{
	return (unsigned long)__alloc_percpu_gfp(size, sizeof(u64), GFP_NOWAIT | __GFP_NOWARN);
}

__rust_ipvs_helper unsigned long rust_ipvs_helper_jiffies(void)
{
	return jiffies;
}

__rust_ipvs_helper u64 rust_ipvs_helper_jiffies64(void)
{
	return get_jiffies_64();
}

__rust_ipvs_helper unsigned int rust_ipvs_helper_slab_flags(void)
{
	return (__force unsigned int)(SLAB_HWCACHE_ALIGN | SLAB_NO_MERGE);
}
