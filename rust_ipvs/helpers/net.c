// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/net.rs: inline functions and macros, for which bindgen creates no bindings.
 * Contexts and contracts are stated with the Rust functions that call them.
 */

/* Exported to modules, but declared in a private header of netfilter only. */
void nf_queue_nf_hook_drop(struct net *net);

__rust_ipvs_helper void rust_ipvs_helper_queue_drop(struct net *net)
{
	nf_queue_nf_hook_drop(net);
}

__rust_ipvs_helper void *rust_ipvs_helper_net_generic(const struct net *net, unsigned int id)
{
	return net_generic(net, id);
}

__rust_ipvs_helper bool rust_ipvs_helper_net_is_init(const struct net *net)
{
	return net_eq(net, &init_net);
}

__rust_ipvs_helper bool rust_ipvs_helper_find_device(struct net *net, const char *name, int *index,
						     u32 *mtu, u32 *addr)
{
	struct net_device *dev = dev_get_by_name_rcu(net, name);

	if (!dev)
		return false;
	*index = dev->ifindex;
	*mtu = READ_ONCE(dev->mtu);
	*addr = (__force u32)inet_select_addr(dev, 0, RT_SCOPE_UNIVERSE);
	return true;
}
