// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/skbuff.rs: inline functions and macros, for which bindgen creates no
 * bindings. Contexts and contracts are stated with the Rust functions that call them.
 */

__rust_ipvs_helper bool rust_ipvs_helper_skb_ipvs_property(const struct sk_buff *skb)
{
	return skb->ipvs_property;
}

__rust_ipvs_helper void rust_ipvs_helper_skb_set_ipvs_property(struct sk_buff *skb)
{
	skb->ipvs_property = 1;
}

__rust_ipvs_helper u32 rust_ipvs_helper_skb_mark(const struct sk_buff *skb)
{
	return skb->mark;
}

__rust_ipvs_helper unsigned int rust_ipvs_helper_skb_headroom(const struct sk_buff *skb)
{
	return skb_headroom(skb);
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_to_host(const struct sk_buff *skb)
{
	return skb->pkt_type == PACKET_HOST;
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_has_dst(const struct sk_buff *skb)
{
	return skb_dst(skb);
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_from_here(const struct sk_buff *skb)
{
	return !skb->dev || skb->dev->flags & IFF_LOOPBACK;
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_nodefrag(const struct sk_buff *skb)
{
	const struct sock *sk = skb_to_full_sk(skb);

	return sk && sk->sk_family == PF_INET && inet_test_bit(NODEFRAG, sk);
}

__rust_ipvs_helper bool rust_ipvs_helper_dst_is_local(const struct dst_entry *dst, u8 pf)
{
	if (pf == NFPROTO_IPV6)
		return dst->dev && dst->dev->flags & IFF_LOOPBACK;
	return dst_rtable(dst)->rt_flags & RTCF_LOCAL;
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_route_is_local(const struct sk_buff *skb, u8 pf)
{
	return rust_ipvs_helper_dst_is_local(skb_dst(skb), pf);
}

__rust_ipvs_helper u8 *rust_ipvs_helper_skb_l3(const struct sk_buff *skb)
{
	return skb_network_header(skb);
}

__rust_ipvs_helper int rust_ipvs_helper_skb_l3_offset(const struct sk_buff *skb)
{
	return skb_network_offset(skb);
}

__rust_ipvs_helper int rust_ipvs_helper_skb_l3_len(const struct sk_buff *skb)
{
	return (int)skb_headlen(skb) - skb_network_offset(skb);
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_pull_l3(struct sk_buff *skb, unsigned int len)
{
	return pskb_may_pull(skb, skb_network_offset(skb) + len);
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_strip(struct sk_buff *skb, unsigned int len)
{
	if (!pskb_pull(skb, skb_network_offset(skb) + len))
		return false;
	skb_reset_network_header(skb);
	memset(&(IPCB(skb)->opt), 0, sizeof(IPCB(skb)->opt));
	return true;
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_writable_l3(struct sk_buff *skb, unsigned int len)
{
	len += skb_network_offset(skb);
	/* Inlined test for the usual case, so that the call is made for other packets only. */
	if (likely(len <= skb_headlen(skb) && !skb_cloned(skb)))
		return true;
	return !skb_ensure_writable(skb, len);
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_partial(const struct sk_buff *skb)
{
	return skb->ip_summed == CHECKSUM_PARTIAL;
}

__rust_ipvs_helper void rust_ipvs_helper_skb_sum_changed(struct sk_buff *skb)
{
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->ip_summed = CHECKSUM_NONE;
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_sum_unneeded(const struct sk_buff *skb)
{
	return skb_csum_unnecessary(skb) || !skb->dev;
}

/* Returns true if the data from @at on, counted from the network header, has a correct checksum. */
__rust_ipvs_helper bool rust_ipvs_helper_skb_sums_to_zero(const struct sk_buff *skb,
							  unsigned int at)
{
	at += skb_network_offset(skb);
	return at < skb->len && !csum_fold(skb_checksum(skb, at, skb->len - at, 0));
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_add_room(struct sk_buff *skb, unsigned int extra)
{
	unsigned int room;

	/*
	 * Not skb_ensure_writable(): if a clone's headers are private, it leaves the bytes behind
	 * them shared. The data must begin with the network header, or the caller would write
	 * behind the buffer.
	 */
	if (skb_network_offset(skb) || skb_linearize_cow(skb))
		return false;
	room = skb_tailroom(skb);
	if (extra > room && pskb_expand_head(skb, 0, extra - room, GFP_ATOMIC))
		return false;
	memset(skb_tail_pointer(skb), 0, extra);
	return true;
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_set_len(struct sk_buff *skb, unsigned int len)
{
	if (skb_is_nonlinear(skb) || (len > skb->len && len - skb->len > skb_tailroom(skb)))
		return false;
	if (len > skb->len)
		skb_put(skb, len - skb->len);
	else
		__skb_trim(skb, len);
	return true;
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_is_gso(const struct sk_buff *skb)
{
	return skb_is_gso(skb);
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_gso_fits(const struct sk_buff *skb, unsigned int mtu)
{
	return skb_gso_validate_network_len(skb, mtu);
}

__rust_ipvs_helper unsigned int rust_ipvs_helper_skb_frag_max(const struct sk_buff *skb, u8 pf)
{
	return pf == NFPROTO_IPV6 ? IP6CB(skb)->frag_max_size : 0;
}

__rust_ipvs_helper void rust_ipvs_helper_kfree_skb(struct sk_buff *skb)
{
	kfree_skb(skb);
}

__rust_ipvs_helper void rust_ipvs_helper_consume_skb(struct sk_buff *skb)
{
	consume_skb(skb);
}

__rust_ipvs_helper void rust_ipvs_helper_kfree_skb_reason(struct sk_buff *skb, unsigned int reason)
{
	kfree_skb_reason(skb, (enum skb_drop_reason)reason);
}

/* Like skb_dst_drop(), but a field without a reference is not cleared: it is set next. */
static __always_inline void let_go_of_dst(struct sk_buff *skb)
{
	if (unlikely(!(skb->_skb_refdst & SKB_DST_NOREF)))
		skb_dst_drop(skb);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_set_dst_noref(struct sk_buff *skb,
							   struct dst_entry *dst)
{
	let_go_of_dst(skb);
	skb_dst_set_noref(skb, dst);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_set_dst(struct sk_buff *skb, struct dst_entry *dst)
{
	let_go_of_dst(skb);
	skb_dst_set(skb, dst);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_forwardable(struct sk_buff *skb)
{
	skb->ignore_df = 1;
	/* Drops a socket from early demultiplexing. A sending socket stays the owner. */
	if (skb->dev)
		skb_orphan(skb);
	skb_forward_csum(skb);
	skb_clear_tstamp(skb);
}

/* Returns true if the only hook at this place is the one of @owner. */
static __always_inline bool has_no_other_hook(struct nf_hook_entries __rcu *const *place,
					      const void *owner)
{
	const struct nf_hook_entries *entries = rcu_dereference(*place);

	return entries && entries->num_hook_entries == 1 && entries->hooks[0].priv == owner;
}

__rust_ipvs_helper void rust_ipvs_helper_output_v4(struct net *net, struct sk_buff *skb,
						   const void *owner)
{
	if (has_no_other_hook(&net->nf.hooks_ipv4[NF_INET_LOCAL_OUT], owner))
		dst_output(net, NULL, skb);
	else
		NF_HOOK(NFPROTO_IPV4, NF_INET_LOCAL_OUT, net, NULL, skb, NULL, skb_dst(skb)->dev,
			dst_output);
}

__rust_ipvs_helper void rust_ipvs_helper_output_v6(struct net *net, struct sk_buff *skb,
						   const void *owner)
{
	if (has_no_other_hook(&net->nf.hooks_ipv6[NF_INET_LOCAL_OUT], owner))
		dst_output(net, NULL, skb);
	else
		NF_HOOK(NFPROTO_IPV6, NF_INET_LOCAL_OUT, net, NULL, skb, NULL, skb_dst(skb)->dev,
			dst_output);
}

__rust_ipvs_helper void rust_ipvs_helper_icmp_send(struct sk_buff *skb, int type, int code,
						   u32 info)
{
	/* icmp_send() takes any route for one of its own. */
	if (skb_dst(skb) && skb_dst(skb)->ops->family == AF_INET)
		icmp_send(skb, type, code, htonl(info));
}

__rust_ipvs_helper void rust_ipvs_helper_icmpv6_send(struct sk_buff *skb, u8 type, u8 code,
						     u32 info)
{
	/* A locally sent packet has no device yet, and icmpv6_send() needs one. */
	if (!skb->dev && skb_dst(skb))
		skb->dev = skb_dst(skb)->dev;
	if (!skb->dev)
		return;
	icmpv6_send(skb, type, code, info);
}

/* ip6_update_pmtu() reads the header at the data pointer. */
__rust_ipvs_helper void rust_ipvs_helper_update_pmtu_v6(struct sk_buff *skb, struct net *net,
							u32 mtu)
{
	if (skb_network_offset(skb) == 0)
		ip6_update_pmtu(skb, net, htonl(mtu), 0, 0, sock_net_uid(net, NULL));
}

/*
 * Makes a packet of @family of @skb, which begins with one, but arrived in a packet of the other
 * family. icmp_send() needs a route, and sends from the packet's destination if that is local.
 */
__rust_ipvs_helper bool rust_ipvs_helper_skb_change_family(struct sk_buff *skb, struct net *net,
							   u8 family)
{
	if (family == AF_INET) {
		struct flowi4 fl4 = { .daddr = ip_hdr(skb)->daddr };
		struct rtable *rt = ip_route_output_key(net, &fl4);
		int iif = IP6CB(skb)->iif;

		if (IS_ERR(rt))
			return false;
		skb_dst_drop(skb);
		skb_dst_set(skb, &rt->dst);
		memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
		IPCB(skb)->iif = iif;
		skb->protocol = htons(ETH_P_IP);
	} else {
		int iif = IPCB(skb)->iif;

		skb_dst_drop(skb);
		memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
		IP6CB(skb)->iif = iif;
		skb->protocol = htons(ETH_P_IPV6);
	}
	return true;
}

__rust_ipvs_helper void rust_ipvs_helper_link_failure(struct sk_buff *skb)
{
	if (!skb_dst(skb))
		return;
	if (!skb->dev)
		skb->dev = skb_dst(skb)->dev;
	dst_link_failure(skb);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_orphan(struct sk_buff *skb)
{
	/* A packet without a device was sent locally. Its socket stays the owner. */
	if (skb->dev)
		skb_orphan(skb);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_update_pmtu(struct sk_buff *skb, unsigned int mtu)
{
	struct dst_entry *dst = skb_dst(skb);
	struct sock *sk = skb->sk;

	/* NULL for the packet: the protocols would read its device, which is not set yet. */
	if (!skb->dev && sk && sk_fullsock(sk) && dst && dst->ops->update_pmtu)
		dst->ops->update_pmtu(dst, sk, NULL, mtu, true);
}

__rust_ipvs_helper int rust_ipvs_helper_ip_defrag(struct net *net, struct sk_buff *skb,
						  unsigned int hook)
{
	u32 user = hook == NF_INET_LOCAL_IN ? IP_DEFRAG_VS_IN :
		   hook == NF_INET_FORWARD ? IP_DEFRAG_VS_FWD : IP_DEFRAG_VS_OUT;
	int err;

	local_bh_disable();
	err = ip_defrag(net, skb, user);
	local_bh_enable();
	if (!err)
		ip_send_check(ip_hdr(skb));
	return err;
}

/* Takes or frees the fragment on errors, like ip_defrag(). */
__rust_ipvs_helper int rust_ipvs_helper_ip6_defrag(struct net *net, struct sk_buff *skb,
						   unsigned int hook)
{
#if IS_ENABLED(CONFIG_IPV6)
	/* The users of nf_defrag_ipv6's hooks, so that they can complete the packet. */
	u32 user = hook == NF_INET_LOCAL_OUT ? IP6_DEFRAG_CONNTRACK_OUT : IP6_DEFRAG_CONNTRACK_IN;
	int err = nf_ct_frag6_gather(net, skb, user);

	if (err && err != -EINPROGRESS)
		kfree_skb(skb);
	return err;
#else
	return 0;
#endif
}

__rust_ipvs_helper int rust_ipvs_helper_me_harder_v4(struct net *net, struct sk_buff *skb)
{
	return ip_route_me_harder(net, skb->sk, skb, RTN_LOCAL);
}

__rust_ipvs_helper int rust_ipvs_helper_me_harder_v6(struct net *net, struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_IPV6)
	return ip6_route_me_harder(net, skb->sk, skb);
#else
	return -EAFNOSUPPORT;
#endif
}

__rust_ipvs_helper bool rust_ipvs_helper_source_matters(const struct net *net, u8 pf)
{
#ifdef CONFIG_XFRM
	if (READ_ONCE(net->xfrm.policy_count[XFRM_POLICY_OUT]) ||
	    READ_ONCE(net->xfrm.policy_default[XFRM_POLICY_OUT]) != XFRM_USERPOLICY_ACCEPT)
		return true;
#endif
#if IS_ENABLED(CONFIG_IPV6)
	if (pf == NFPROTO_IPV6)
		return fib6_has_custom_rules(net) || fib6_routes_require_src(net);
#endif
	return fib4_has_custom_rules(net);
}
