// SPDX-License-Identifier: GPL-2.0
/* What kapi/datagram.rs takes from the kernel's headers. */

__rust_ipvs_helper int rust_ipvs_helper_sock_option(struct socket *sock, int level, int name,
						    void *value, int length)
{
	return do_sock_setsockopt(sock, true, level, name, KERNEL_SOCKPTR(value), length);
}

__rust_ipvs_helper void rust_ipvs_helper_wait_for_datagram(struct socket *sock)
{
	struct sock *sk = sock->sk;

	/* Sockets wake nobody who sleeps more soundly. */
	wait_event_interruptible(*sk_sleep(sk),
				 !skb_queue_empty_lockless(&sk->sk_receive_queue) ||
				 !skb_queue_empty_lockless(&udp_sk(sk)->reader_queue) ||
				 kthread_should_stop());
}
