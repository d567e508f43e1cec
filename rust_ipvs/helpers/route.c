// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/route.rs: inline functions and macros, for which bindgen creates no
 * bindings. Contexts and contracts are stated with the Rust functions that call them.
 */

__rust_ipvs_helper struct dst_entry *rust_ipvs_helper_route_v4(struct net *net, __be32 daddr,
							       bool direct, bool source,
							       __be32 *saddr)
{
	struct flowi4 fl4 = {
		.daddr = daddr,
		.flowi4_flags = direct ? FLOWI_FLAG_KNOWN_NH : 0,
	};
	struct rtable *rt = ip_route_output_key(net, &fl4);

	if (IS_ERR(rt))
		return NULL;
	if (source && !*saddr) {
		/* Again with the source address: policy rules may match on it. */
		ip_rt_put(rt);
		flowi4_update_output(&fl4, 0, daddr, fl4.saddr);
		rt = ip_route_output_key(net, &fl4);
		if (IS_ERR(rt))
			return NULL;
	}
	*saddr = fl4.saddr;
	return &rt->dst;
}

__rust_ipvs_helper struct dst_entry *rust_ipvs_helper_route_v6(struct net *net,
							       const struct in6_addr *daddr,
							       bool direct, bool source,
							       struct in6_addr *saddr)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct flowi6 fl6 = {
		.daddr = *daddr,
		.flowi6_flags = direct ? FLOWI_FLAG_KNOWN_NH : 0,
	};
	struct dst_entry *dst = ip6_route_output(net, NULL, &fl6);

	if (dst->error)
		goto fail;
	if (ipv6_addr_any(&fl6.saddr) &&
	    ipv6_dev_get_saddr(net, ip6_dst_idev(dst)->dev, &fl6.daddr, 0, &fl6.saddr) < 0)
		goto fail;
	if (source) {
		dst = xfrm_lookup(net, dst, flowi6_to_flowi(&fl6), NULL, 0);
		if (IS_ERR(dst))
			return NULL;
	}
	*saddr = fl6.saddr;
	return dst;
fail:
	dst_release(dst);
#endif
	return NULL;
}

__rust_ipvs_helper bool rust_ipvs_helper_dst_valid(struct dst_entry *dst, u32 cookie)
{
	return dst_check(dst, cookie);
}

__rust_ipvs_helper u32 rust_ipvs_helper_dst_cookie(struct dst_entry *dst, u8 pf)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (pf == NFPROTO_IPV6)
		return rt6_get_cookie(dst_rt6_info(dst));
#endif
	return 0;
}

__rust_ipvs_helper u32 rust_ipvs_helper_dst_mtu(const struct dst_entry *dst)
{
	return dst_mtu(dst);
}

/* Returns true if both entries forward packets alike, as those of two CPUs for one route do. */
__rust_ipvs_helper bool rust_ipvs_helper_dst_is_same(const struct dst_entry *a,
						     const struct dst_entry *b, u8 pf)
{
	if (a == b)
		return true;
	if (pf == NFPROTO_IPV4) {
		const struct rtable *one = dst_rtable(a), *other = dst_rtable(b);

		/* One with a path MTU has rt_pmtu, and is not shared. */
		return a->dev == b->dev && a->input == b->input && a->_metrics == b->_metrics &&
		       !one->rt_pmtu && !other->rt_pmtu && a->lwtstate == b->lwtstate &&
		       one->rt_gw_family == other->rt_gw_family &&
		       (one->rt_gw_family != AF_INET || one->rt_gw4 == other->rt_gw4);
	}
#if IS_ENABLED(CONFIG_IPV6)
	if (pf == NFPROTO_IPV6) {
		const struct rt6_info *one = dst_rt6_info(a), *other = dst_rt6_info(b);

		return rcu_access_pointer(one->from) == rcu_access_pointer(other->from) &&
		       a->dev == b->dev && !((one->rt6i_flags | other->rt6i_flags) & RTF_CACHE) &&
		       ipv6_addr_equal(&one->rt6i_gateway, &other->rt6i_gateway);
	}
#endif
	return false;
}

__rust_ipvs_helper u32 rust_ipvs_helper_forward_mtu(const struct dst_entry *dst, u8 pf)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (pf == NFPROTO_IPV6)
		/* The limits of ip6_forward() and of ip6_finish_output(). */
		return min(max_t(u32, ip6_dst_mtu_maybe_forward(dst, true), IPV6_MIN_MTU),
			   dst_mtu(dst));
#endif
	return ip_dst_mtu_maybe_forward(dst, true);
}

/* Returns true if the device that @dst leaves by belongs to a VRF. */
__rust_ipvs_helper bool rust_ipvs_helper_dst_is_in_vrf(const struct dst_entry *dst)
{
	return netif_is_l3_slave(dst->dev);
}
