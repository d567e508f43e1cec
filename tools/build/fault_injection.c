// SPDX-License-Identifier: GPL-2.0
/* Injects the faults that the kernel of test-debug-kernel.sh is there to find, one after the other. */

#include <linux/cpumask.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

static int __rcu *shared;
static DEFINE_SPINLOCK(first);
static DEFINE_SPINLOCK(second);

static void nothing(struct timer_list *timer)
{
}

/* Where and when things are done. */
static void contexts(void)
{
	volatile int cpu;

	if (rcu_dereference(shared))
		pr_info("there is something\n");
	cpu = smp_processor_id();
	preempt_disable();
	might_sleep();
	preempt_enable();
	(void)cpu;
}

/* What is read where nothing is, or is no more; the compiler must not see that. */
static noinline void memory(void)
{
	volatile char *object = kmalloc(64, GFP_KERNEL), *pages = vmalloc(PAGE_SIZE / 2);
	char *hidden = (char *)object;
	int beyond = 64;

	OPTIMIZER_HIDE_VAR(hidden);
	OPTIMIZER_HIDE_VAR(beyond);
	if (!object || !pages)
		return;
	(void)object[beyond];
	(void)pages[PAGE_SIZE / 2 + beyond];
	kfree(hidden);
	(void)object[0];
	vfree((char *)pages);
}

static void *given_back;
static bool is_gone;

static void give_back(struct work_struct *work)
{
	kfree(given_back);
	smp_store_release(&is_gone, true);
}

/*
 * Reads what another processor frees at the same moment. Preemption is off, so one processor
 * alone frees nothing, and then nothing is read.
 */
static noinline void read_beside(void)
{
	static DECLARE_WORK(work, give_back);
	volatile char *object = kmalloc(64, GFP_KERNEL);
	unsigned long patience = 1000000000;
	unsigned int cpu;

	given_back = (void *)object;
	OPTIMIZER_HIDE_VAR(object);
	preempt_disable();
	cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
	if (object && cpu < nr_cpu_ids) {
		schedule_work_on(cpu, &work);
		while (!smp_load_acquire(&is_gone) && --patience)
			cpu_relax();
	}
	preempt_enable();
	if (is_gone && patience)
		(void)object[0];
	flush_work(&work);
}

/* What is given back while it is still in use, or twice. */
static void lives(void)
{
	struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);
	struct list_head head, entry;

	if (!timer)
		return;
	timer_setup(timer, nothing, 0);
	mod_timer(timer, jiffies + 100 * HZ);
	kfree(timer);

	INIT_LIST_HEAD(&head);
	list_add(&entry, &head);
	list_del(&entry);
	list_del(&entry);
}

/* What nobody remembers. More than one, for a word on a stack may look like it. */
static void leak(void)
{
	int n;

	for (n = 0; n < 16; n++) {
		void *object = kmalloc(200, GFP_KERNEL);

		/* Or the compiler leaves the allocation out. */
		OPTIMIZER_HIDE_VAR(object);
	}
}

/* Two locks in both orders. */
static void locks(void)
{
	spin_lock(&first);
	spin_lock(&second);
	spin_unlock(&second);
	spin_unlock(&first);
	spin_lock(&second);
	spin_lock(&first);
	spin_unlock(&first);
	spin_unlock(&second);
}

static int __init fault_injection(void)
{
	/* Lockdep stops at the first wrong order, and at what KASAN finds: what it is asked for comes first. */
	contexts();
	locks();
	memory();
	read_beside();
	lives();
	leak();
	return 0;
}
module_init(fault_injection);

MODULE_DESCRIPTION("Mistakes for a kernel that looks for them");
MODULE_LICENSE("GPL");
