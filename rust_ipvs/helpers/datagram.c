// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/datagram.rs: inline functions and macros, for which bindgen creates no
 * bindings. Contexts and contracts are stated with the Rust functions that call them.
 */

__rust_ipvs_helper int rust_ipvs_helper_sock_option(struct socket *sock, int level, int name,
						    void *value, int length)
{
	return do_sock_setsockopt(sock, true, level, name, KERNEL_SOCKPTR(value), length);
}

__rust_ipvs_helper void rust_ipvs_helper_wait_for_datagram(struct socket *sock)
{
	struct sock *sk = sock->sk;

	/* A socket's wake-up reaches interruptible sleepers only. */
	wait_event_interruptible(*sk_sleep(sk),
				 !skb_queue_empty_lockless(&sk->sk_receive_queue) ||
				 !skb_queue_empty_lockless(&udp_sk(sk)->reader_queue) ||
				 kthread_should_stop());
}
