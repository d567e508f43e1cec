// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/thread.rs: inline functions and macros, for which bindgen creates no
 * bindings. Contexts and contracts are stated with the Rust functions that call them.
 */

__rust_ipvs_helper void rust_ipvs_helper_get_task(struct task_struct *task)
{
	get_task_struct(task);
}

__rust_ipvs_helper int rust_ipvs_helper_task_pid(struct task_struct *task)
{
	return task_pid_nr(task);
}

__rust_ipvs_helper void rust_ipvs_helper_init_wait_queue(wait_queue_head_t *queue)
{
	init_waitqueue_head(queue);
}

__rust_ipvs_helper void rust_ipvs_helper_wake(wait_queue_head_t *queue, unsigned int *woken)
{
	if (!xchg(woken, 1))
		wake_up(queue);
}

__rust_ipvs_helper void rust_ipvs_helper_wait_for_wake(wait_queue_head_t *queue,
						       unsigned int *woken, long timeout)
{
	wait_event_idle_timeout(*queue, xchg(woken, 0) || kthread_should_stop(), timeout);
}
