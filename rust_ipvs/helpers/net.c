// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/net.rs: inline functions and macros, for which bindgen creates no bindings.
 * Contexts and contracts are stated with the Rust functions that call them.
 */

/* Out of tree: exported to modules, but declared in a private header of netfilter only. */
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

__rust_ipvs_helper bool rust_ipvs_helper_addr_is_usable_v4(struct net *net, __be32 addr)
{
	unsigned int type = inet_addr_type(net, addr);

	return type == RTN_UNICAST || type == RTN_LOCAL;
}

__rust_ipvs_helper bool rust_ipvs_helper_addr_is_unicast_v4(struct net *net, __be32 addr)
{
	return inet_addr_type(net, addr) == RTN_UNICAST;
}

__rust_ipvs_helper bool rust_ipvs_helper_addr_is_unicast_v6(const struct in6_addr *addr)
{
	return ipv6_addr_type(addr) & IPV6_ADDR_UNICAST;
}

__rust_ipvs_helper bool rust_ipvs_helper_addr_is_usable_v6(struct net *net,
							   const struct in6_addr *addr)
{
#if IS_ENABLED(CONFIG_IPV6)
	int type = ipv6_addr_type(addr);

	if (type & IPV6_ADDR_UNICAST && !(type & IPV6_ADDR_LINKLOCAL))
		return true;
	return ipv6_chk_addr(net, addr, NULL, 0);
#else
	return false;
#endif
}

__rust_ipvs_helper int rust_ipvs_helper_unprivileged_port_start(const struct net *net)
{
	return READ_ONCE(net->ipv4.sysctl_ip_prot_sock);
}

__rust_ipvs_helper bool rust_ipvs_helper_defrag_v6(struct net *net)
{
#if IS_ENABLED(CONFIG_IPV6)
	return !nf_defrag_ipv6_enable(net);
#else
	return true;
#endif
}
