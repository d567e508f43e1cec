// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/ingress.rs and kapi/ingress/: inline functions and macros, for which bindgen
 * creates no bindings. Contexts and contracts are stated with the Rust functions that call them.
 */

__rust_ipvs_helper void rust_ipvs_helper_rtnl_lock(void)
{
	rtnl_lock();
}

__rust_ipvs_helper void rust_ipvs_helper_rtnl_unlock(void)
{
	rtnl_unlock();
}

/* Returns the device after @dev in @net, the first one for NULL; NULL at the end. Needs RTNL. */
__rust_ipvs_helper struct net_device *rust_ipvs_helper_next_device(struct net *net,
								   struct net_device *dev)
{
	return dev ? next_net_device(dev) : first_net_device(net);
}

__rust_ipvs_helper bool rust_ipvs_helper_device_is_loopback(const struct net_device *dev)
{
	return dev->flags & IFF_LOOPBACK;
}

__rust_ipvs_helper void rust_ipvs_helper_ingress_hook(struct nf_hook_ops *ops,
						      struct net_device *dev)
{
	ops->dev = dev;
	ops->pf = NFPROTO_NETDEV;
	ops->hooknum = NF_NETDEV_INGRESS;
	ops->priority = INT_MAX;
}

/* Returns NFPROTO_IPV4 or NFPROTO_IPV6 by the packet's link-layer protocol, 0 for others. */
__rust_ipvs_helper u8 rust_ipvs_helper_skb_family(const struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IP))
		return NFPROTO_IPV4;
	return skb->protocol == htons(ETH_P_IPV6) ? NFPROTO_IPV6 : 0;
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_is_unmarked(struct sk_buff *skb)
{
	const struct net_device *dev = skb->dev;

	/* The bit fields are combined so that the compiler tests those of one byte at once. */
	if (skb->pkt_type != PACKET_HOST)
		return false;
	if (skb->redirected | skb->ipvs_property
#if IS_ENABLED(CONFIG_NETFILTER_XT_TARGET_TRACE) || IS_ENABLED(CONFIG_NF_TABLES)
	    | skb->nf_trace
#endif
#ifdef CONFIG_NET_SWITCHDEV
	    | skb->offload_fwd_mark | skb->offload_l3_fwd_mark
#endif
	    | skb->encapsulation)
		return false;
	if (skb->_skb_refdst || skb->vlan_all || skb->mark)
		return false;
	/* A sending socket of another namespace is dropped, as by IP; not one that BPF chose. */
	if (skb->sk && skb_sk_is_prefetched(skb))
		return false;
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	if (skb->_nfct)
		return false;
#endif
#ifdef CONFIG_NETWORK_SECMARK
	if (skb->secmark)
		return false;
#endif
#ifdef CONFIG_SKB_EXTENSIONS
	if (skb->active_extensions)
		return false;
#endif
	/*
	 * Taps have given back their references, or have clones. If there is still another one, it
	 * is that of a sender (pktgen) that will only free it. Its data cannot be copied then.
	 */
	if (skb_cloned(skb) && skb_shared(skb))
		return false;
	return !rcu_access_pointer(dev->rx_handler) &&
	       !(dev->priv_flags & (IFF_L3MDEV_SLAVE | IFF_L3MDEV_MASTER));
}

__rust_ipvs_helper void rust_ipvs_helper_skb_set_l4(struct sk_buff *skb, unsigned int l4)
{
	skb->transport_header = skb->network_header + l4;
}

/* Returns true if @skb is a packet of LRO, which must not be sent as it is. */
__rust_ipvs_helper bool rust_ipvs_helper_skb_is_lro(const struct sk_buff *skb)
{
	const struct skb_shared_info *info = skb_shinfo(skb);

	return info->gso_size && !info->gso_type;
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_is_linear(const struct sk_buff *skb)
{
	return !skb_is_nonlinear(skb);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_trim(struct sk_buff *skb, unsigned int len)
{
	/* It does not fail for a linear packet. */
	if (pskb_trim_rcsum(skb, len))
		return;
}

__rust_ipvs_helper u32 rust_ipvs_helper_genid(const struct net *net, u8 pf)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (pf == NFPROTO_IPV6)
		return rt_genid_ipv6(net);
#endif
	return rt_genid_ipv4(net);
}

/* Returns the device of the route to @saddr, for comparison only. */
static const struct net_device *device_to_v4(struct net *net, __be32 saddr)
{
	struct flowi4 fl4 = { .daddr = saddr };
	struct rtable *rt = ip_route_output_key(net, &fl4);
	const struct net_device *dev;

	if (IS_ERR(rt))
		return NULL;
	dev = rt->dst.dev;
	ip_rt_put(rt);
	return dev;
}

/* Returns true if packets from @saddr may come by the device of @skb; see kapi/ingress.rs. */
static u8 source_of_v4(struct net *net, const struct sk_buff *skb, __be32 saddr)
{
	const struct net_device *dev = device_to_v4(net, saddr);

	if (!dev)
		return 0;
	return dev == skb->dev ? 1 : 2;
}

__rust_ipvs_helper u8 rust_ipvs_helper_delivers_v4(struct net *net, struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);
	bool local;

	if (ip_route_input_noref(skb, iph->daddr, iph->saddr, ip4h_dscp(iph), skb->dev))
		return 0;
	local = skb_rtable(skb)->rt_type == RTN_LOCAL;
	skb_dst_drop(skb);
	return local ? source_of_v4(net, skb, iph->saddr) : 0;
}

__rust_ipvs_helper bool rust_ipvs_helper_has_strict_source(const struct sk_buff *skb)
{
	const struct in_device *in_dev = __in_dev_get_rcu(skb->dev);

	return !in_dev || IN_DEV_RPFILTER(in_dev) == 1;
}

#if IS_ENABLED(CONFIG_IPV6)
/* Returns true if IPv6 receives packets by the device of @skb, which ip6_rcv_core() looks at. */
static bool receives_v6(const struct sk_buff *skb)
{
	const struct inet6_dev *idev = __in6_dev_get(skb->dev);

	return idev && !READ_ONCE(idev->cnf.disable_ipv6);
}
#endif

__rust_ipvs_helper u8 rust_ipvs_helper_delivers_v6(struct net *net, struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct dst_entry *dst;
	bool ours;

	if (!receives_v6(skb))
		return 0;
	ip6_route_input(skb);
	dst = skb_dst(skb);
	ours = !dst->error && dst_rt6_info(dst)->rt6i_flags & RTF_LOCAL;
	skb_dst_drop(skb);
	return ours;
#else
	return 0;
#endif
}

/* Returns the route of a packet to be forwarded, with a reference, and the kind of its source. */
__rust_ipvs_helper struct dst_entry *rust_ipvs_helper_forwards_v4(struct net *net,
								  struct sk_buff *skb, u8 *source)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct dst_entry *dst;

	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	if (ip_route_input_noref(skb, iph->daddr, iph->saddr, ip4h_dscp(iph), skb->dev))
		return NULL;
	dst = skb_dst(skb);
	if (skb_rtable(skb)->rt_type != RTN_UNICAST || dst->output != ip_output ||
	    IPCB(skb)->flags & IPSKB_DOREDIRECT || !dst_hold_safe(dst))
		dst = NULL;
	skb_dst_drop(skb);
	*source = source_of_v4(net, skb, iph->saddr);
	if (dst && !*source) {
		dst_release(dst);
		return NULL;
	}
	return dst;
}

__rust_ipvs_helper bool rust_ipvs_helper_policies_forward(const struct net *net)
{
#ifdef CONFIG_XFRM
	return !READ_ONCE(net->xfrm.policy_count[XFRM_POLICY_FWD]) &&
	       !READ_ONCE(net->xfrm.policy_count[XFRM_POLICY_OUT]) &&
	       READ_ONCE(net->xfrm.policy_default[XFRM_POLICY_FWD]) == XFRM_USERPOLICY_ACCEPT &&
	       READ_ONCE(net->xfrm.policy_default[XFRM_POLICY_OUT]) == XFRM_USERPOLICY_ACCEPT;
#else
	return true;
#endif
}

__rust_ipvs_helper bool rust_ipvs_helper_is_forwarding_v6(const struct net *net)
{
#if IS_ENABLED(CONFIG_IPV6)
	return READ_ONCE(net->ipv6.devconf_all->forwarding) &&
	       !READ_ONCE(net->ipv6.devconf_all->proxy_ndp);
#else
	return false;
#endif
}

__rust_ipvs_helper struct dst_entry *rust_ipvs_helper_forwards_v6(struct net *net,
								  struct sk_buff *skb, u8 *source)
{
#if IS_ENABLED(CONFIG_IPV6)
	const struct in6_addr *saddr = &ipv6_hdr(skb)->saddr;
	struct dst_entry *dst;

	if (!receives_v6(skb) || ipv6_addr_type(saddr) & IPV6_ADDR_LINKLOCAL)
		return NULL;
	ip6_route_input(skb);
	dst = skb_dst(skb);
	/* A packet that leaves by the device that it came by may cause a redirect. */
	if (dst->error || dst_rt6_info(dst)->rt6i_flags & (RTF_LOCAL | RTF_ANYCAST | RTF_REJECT) ||
	    dst->output != ip6_output || dst->dev == skb->dev || !dst_hold_safe(dst))
		dst = NULL;
	skb_dst_drop(skb);
	*source = 1;
	return dst;
#else
	return NULL;
#endif
}

/*
 * Returns the route that ip_route_me_harder() gives a packet forwarded by @dst once its source is
 * @saddr and @sport, with a reference. Returns NULL if the packet is not simply sent by it, or if
 * @dst has a limit of its size that the other one has not.
 */
__rust_ipvs_helper struct dst_entry *
rust_ipvs_helper_rerouted_v4(struct net *net, const struct sk_buff *skb,
			     const struct dst_entry *dst, u8 proto, __be32 saddr, __be16 sport,
			     __be16 dport)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct flowi4 fl4 = {
		.daddr = iph->daddr,
		.saddr = saddr,
		.flowi4_dscp = ip4h_dscp(iph),
		.flowi4_l3mdev = l3mdev_master_ifindex(dst->dev),
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
	};
	struct rtable *rt;

#ifdef CONFIG_IP_MULTIPLE_TABLES
	/* As fib4_rules_early_flow_dissect() would find them. */
	if (net->ipv4.fib_rules_require_fldissect) {
		fl4.flowi4_proto = proto;
		fl4.fl4_sport = sport;
		fl4.fl4_dport = dport;
	}
#endif
	rt = ip_route_output_key(net, &fl4);
	if (IS_ERR(rt))
		return NULL;
	if (rt->dst.error || rt->rt_type != RTN_UNICAST || rt->dst.output != ip_output ||
	    READ_ONCE(net->ipv4.sysctl_ip_fwd_use_pmtu) ||
	    ip_dst_mtu_maybe_forward(dst, true) < ip_dst_mtu_maybe_forward(&rt->dst, true)) {
		ip_rt_put(rt);
		return NULL;
	}
	return &rt->dst;
}

/* The same for IPv6 (ip6_route_me_harder()), where it must leave by the device of @dst. */
__rust_ipvs_helper struct dst_entry *
rust_ipvs_helper_rerouted_v6(struct net *net, const struct sk_buff *skb,
			     const struct dst_entry *dst, u8 proto, const struct in6_addr *saddr,
			     __be16 sport, __be16 dport)
{
#if IS_ENABLED(CONFIG_IPV6)
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	struct flowi6 fl6 = {
		.flowi6_l3mdev = l3mdev_master_ifindex(dst->dev),
		.flowi6_uid = sock_net_uid(net, NULL),
		.daddr = iph->daddr,
		.saddr = *saddr,
		.flowlabel = ip6_flowinfo(iph),
	};
	struct dst_entry *other;

	if (ipv6_addr_type(&iph->daddr) & (IPV6_ADDR_MULTICAST | IPV6_ADDR_LINKLOCAL))
		return NULL;
#ifdef CONFIG_IPV6_MULTIPLE_TABLES
	/* As fib6_rules_early_flow_dissect() would find them. */
	if (net->ipv6.fib6_rules_require_fldissect) {
		fl6.flowi6_proto = proto;
		fl6.fl6_sport = sport;
		fl6.fl6_dport = dport;
	}
#endif
	other = ip6_route_output(net, NULL, &fl6);
	/* The counters of the interface are those of @dst's device. */
	if (other->error || other->output != ip6_output || other->dev != dst->dev ||
	    dst_rt6_info(other)->rt6i_flags & (RTF_LOCAL | RTF_ANYCAST | RTF_REJECT) ||
	    ip6_dst_mtu_maybe_forward(dst, true) < ip6_dst_mtu_maybe_forward(other, true)) {
		dst_release(other);
		return NULL;
	}
	return other;
#else
	return NULL;
#endif
}

/* Sets the priority of a forwarded IPv4 packet by its TOS, as ip_forward() does. */
__rust_ipvs_helper void rust_ipvs_helper_skb_set_priority(const struct net *net,
							  struct sk_buff *skb)
{
	if (READ_ONCE(net->ipv4.sysctl_ip_fwd_update_priority))
		skb->priority = rt_tos2priority(ip_hdr(skb)->tos);
}

/*
 * Makes @room bytes before the packet and its head private, in another buffer. Returns false, and
 * changes nothing, without memory, or if a sender has another reference: then the buffer cannot be
 * exchanged.
 */
static noinline __cold bool expand_head(struct sk_buff *skb, unsigned int room)
{
	return !skb_shared(skb) && !skb_cow_head(skb, room);
}

/* Makes private room before the packet for @len bytes of headers and those of the link layer. */
__rust_ipvs_helper bool rust_ipvs_helper_skb_ensure_room(struct sk_buff *skb, unsigned int len,
							 const struct dst_entry *dst)
{
	unsigned int room = len + LL_RESERVED_SPACE(dst->dev) + dst->header_len;

	return likely(skb_headroom(skb) >= room && !skb_header_cloned(skb)) ||
	       expand_head(skb, room);
}

/* Completes an outer header, as ip_local_out() and ip6_local_out() do. */
__rust_ipvs_helper void rust_ipvs_helper_skb_finish_outer(struct net *net, struct sk_buff *skb,
							  u8 pf)
{
	struct iphdr *iph = ip_hdr(skb);

#if IS_ENABLED(CONFIG_IPV6)
	if (pf == NFPROTO_IPV6) {
		ipv6_set_payload_len(ipv6_hdr(skb), skb->len - sizeof(struct ipv6hdr));
		skb->protocol = htons(ETH_P_IPV6);
		return;
	}
#endif
	IP_INC_STATS(net, IPSTATS_MIB_OUTREQUESTS);
	iph_set_totlen(iph, skb->len);
	iph->check = ip_fast_csum(iph, sizeof(*iph) / 4);
	skb->protocol = htons(ETH_P_IP);
}

/* Returns true if @hook is among the @count functions of @idle, which ends early with a 0. */
static __always_inline bool is_idle(nf_hookfn *hook, const unsigned long *idle, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		unsigned long known = READ_ONCE(idle[i]);

		if (known == (unsigned long)hook)
			return true;
		if (!known)
			break;
	}
	return false;
}

/* Returns true if a hook at this place is neither of @owner nor idle. */
static __always_inline bool has_others(struct nf_hook_entries __rcu *const *places,
				       unsigned int point, const void *owner,
				       const unsigned long *idle, unsigned int count)
{
	const struct nf_hook_entries *entries = rcu_dereference(places[point]);
	unsigned int i;

	if (!entries)
		return false;
	for (i = 0; i < entries->num_hook_entries; i++) {
		const struct nf_hook_entry *entry = &entries->hooks[i];

		if (entry->priv != owner && !is_idle(entry->hook, idle, count))
			return true;
	}
	return false;
}

static __always_inline struct nf_hook_entries __rcu *const *places_of(const struct net *net, u8 pf)
{
	return pf == NFPROTO_IPV4 ? net->nf.hooks_ipv4 : net->nf.hooks_ipv6;
}

__rust_ipvs_helper bool rust_ipvs_helper_has_others_on_way(const struct net *net, u8 pf,
							   bool delivered, const void *owner,
							   const unsigned long *idle,
							   unsigned int count)
{
	struct nf_hook_entries __rcu *const *places = places_of(net, pf);

	if (has_others(places, NF_INET_PRE_ROUTING, owner, idle, count) ||
	    has_others(places, NF_INET_POST_ROUTING, owner, idle, count))
		return true;
	if (!delivered)
		return has_others(places, NF_INET_FORWARD, owner, idle, count);
	return has_others(places, NF_INET_LOCAL_IN, owner, idle, count) ||
	       has_others(places, NF_INET_LOCAL_OUT, owner, idle, count);
}

/*
 * Returns the function of hook number @index at @point and writes its name, and that of its module,
 * to @symbol; NULL beyond the last one.
 */
__rust_ipvs_helper const void *rust_ipvs_helper_hook_at(const struct net *net, u8 pf,
							unsigned int point, unsigned int index,
							char *symbol, size_t size)
{
	const struct nf_hook_entries *entries;
	const void *function = NULL;

	rcu_read_lock();
	entries = rcu_dereference(places_of(net, pf)[point]);
	if (entries && index < entries->num_hook_entries) {
		function = entries->hooks[index].hook;
		snprintf(symbol, size, "%ps", function);
	}
	rcu_read_unlock();
	return function;
}

/* Makes room before the packet for the link-layer header of @dev. */
static __always_inline bool ensure_headroom(struct sk_buff *skb, const struct net_device *dev)
{
	return likely(skb_headroom(skb) >= LL_RESERVED_SPACE(dev)) ||
	       expand_head(skb, LL_RESERVED_SPACE(dev));
}

__rust_ipvs_helper struct neighbour *rust_ipvs_helper_neighbour_v4(struct sk_buff *skb,
								   struct dst_entry *dst,
								   __be32 daddr)
{
	const struct rtable *rt = dst_rtable(dst);
	struct net_device *dev = dst->dev;
	struct neighbour *neigh;

	/* Before anything of the IPv4 part of the entry is read. */
	if (unlikely(dst->output != ip_output || dst->lwtstate || rt->rt_gw_family == AF_INET6))
		return NULL;
	if (rt->rt_gw_family)
		daddr = rt->rt_gw4;
	neigh = __ipv4_neigh_lookup_noref(dev, (__force u32)daddr);
	if (unlikely(!neigh || !(READ_ONCE(neigh->nud_state) & NUD_VALID) ||
		     !ensure_headroom(skb, dev)))
		return NULL;
	return neigh;
}

__rust_ipvs_helper struct neighbour *rust_ipvs_helper_neighbour_v6(struct sk_buff *skb,
								   struct dst_entry *dst,
								   const struct in6_addr *daddr)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct rt6_info *rt = dst_rt6_info(dst);
	struct net_device *dev = dst->dev;
	struct neighbour *neigh;

	if (unlikely(dst->output != ip6_output || dst->lwtstate))
		return NULL;
	neigh = __ipv6_neigh_lookup_noref(dev, rt6_nexthop(rt, daddr));
	if (unlikely(!neigh || !(READ_ONCE(neigh->nud_state) & NUD_VALID) ||
		     !ensure_headroom(skb, dev)))
		return NULL;
	return neigh;
#else
	return NULL;
#endif
}

/* Counts a packet as IP would have done, between the device of @skb and @dst. */
static __always_inline void count_passed(struct net *net, const struct sk_buff *skb,
					 const struct dst_entry *dst, u8 pf, unsigned int received,
					 bool forwarded)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (pf == NFPROTO_IPV6) {
		struct inet6_dev *in = __in6_dev_get(skb->dev), *out = ip6_dst_idev(dst);

		__IP6_UPD_PO_STATS(net, in, IPSTATS_MIB_IN, received);
		if (forwarded)
			__IP6_INC_STATS(net, out, IPSTATS_MIB_OUTFORWDATAGRAMS);
		IP6_UPD_PO_STATS(net, out, IPSTATS_MIB_OUT, skb->len);
		return;
	}
#endif
	__IP_UPD_PO_STATS(net, IPSTATS_MIB_IN, received);
	if (forwarded)
		__IP_INC_STATS(net, IPSTATS_MIB_OUTFORWDATAGRAMS);
	IP_UPD_PO_STATS(net, IPSTATS_MIB_OUT, skb->len);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_send(struct net *net, struct sk_buff *skb,
						  struct dst_entry *dst, struct neighbour *neigh,
						  u8 pf, unsigned int l4, unsigned int received,
						  bool forwarded)
{
	count_passed(net, skb, dst, pf, received, forwarded);
	skb_orphan(skb);
	skb->transport_header = skb->network_header + l4;
	skb->ignore_df = 1;
	skb->ipvs_property = 1;
	skb_forward_csum(skb);
	skb_clear_tstamp(skb);
	skb_dst_set_noref(skb, dst);
	skb->dev = dst->dev;
	/* An error about a neighbour that fails now reads the options; there are none. */
	memset(skb->cb, 0, max(sizeof(struct inet_skb_parm), sizeof(struct inet6_skb_parm)));
	IPCB(skb)->iif = skb->skb_iif;
	neigh_output(neigh, skb, false);
}
