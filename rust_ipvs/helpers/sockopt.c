// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/sockopt.rs: inline functions and macros, for which bindgen creates no
 * bindings. Contexts and contracts are stated with the Rust functions that call them.
 */

__rust_ipvs_helper struct net *rust_ipvs_helper_sock_net(const struct sock *sk)
{
	return sock_net(sk);
}

__rust_ipvs_helper int rust_ipvs_helper_copy_from_sockptr(void *to, const sockptr_t *from,
							  size_t length)
{
	return copy_from_sockptr(to, *from, length) ? -EFAULT : 0;
}
