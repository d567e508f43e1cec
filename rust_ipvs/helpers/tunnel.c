// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/skbuff/tunnel.rs: inline functions and macros, for which bindgen creates no
 * bindings. Contexts and contracts are stated with the Rust functions that call them.
 */

__rust_ipvs_helper bool rust_ipvs_helper_skb_is_plain(const struct sk_buff *skb)
{
	return !skb_is_gso(skb) && skb->ip_summed != CHECKSUM_PARTIAL;
}

__rust_ipvs_helper u16 rust_ipvs_helper_skb_segments(const struct sk_buff *skb)
{
	return skb_is_gso(skb) ? skb_shinfo(skb)->gso_segs : 1;
}

__rust_ipvs_helper int rust_ipvs_helper_skb_sum_start(const struct sk_buff *skb)
{
	return skb_checksum_start_offset(skb) - skb_network_offset(skb);
}

__rust_ipvs_helper u16 rust_ipvs_helper_skb_sum_field(const struct sk_buff *skb)
{
	return skb->csum_offset;
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_make_room(struct sk_buff *skb, unsigned int header,
						       const struct dst_entry *dst)
{
	return !skb_cow_head(skb, header + LL_RESERVED_SPACE(dst->dev) + dst->header_len);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_wrap_plain(struct sk_buff *skb)
{
	skb->ip_summed = CHECKSUM_NONE;
	skb->encapsulation = 0;
}

__rust_ipvs_helper void rust_ipvs_helper_skb_set_inner(struct sk_buff *skb, u8 protocol)
{
	skb_set_inner_ipproto(skb, protocol);
	skb_set_inner_mac_header(skb, skb_inner_network_offset(skb));
}

__rust_ipvs_helper void rust_ipvs_helper_skb_remote_sum(struct sk_buff *skb)
{
	if (!skb_is_gso(skb)) {
		skb->ip_summed = CHECKSUM_NONE;
		skb->encapsulation = 0;
	}
}

__rust_ipvs_helper u8 *rust_ipvs_helper_skb_push(struct sk_buff *skb, unsigned int len)
{
	return __skb_push(skb, len);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_transport_here(struct sk_buff *skb)
{
	skb_reset_transport_header(skb);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_transport_is_network(struct sk_buff *skb)
{
	skb->transport_header = skb->network_header;
}

__rust_ipvs_helper void rust_ipvs_helper_udp6_set_csum(bool nocheck, struct sk_buff *skb,
						       const struct in6_addr *saddr,
						       const struct in6_addr *daddr, int len)
{
#if IS_ENABLED(CONFIG_IPV6)
	udp6_set_csum(nocheck, skb, saddr, daddr, len);
#endif
}

__rust_ipvs_helper void rust_ipvs_helper_skb_push_gre(struct sk_buff *skb, u16 proto, bool csum)
{
	IP_TUNNEL_DECLARE_FLAGS(flags) = { };

	if (csum)
		__set_bit(IP_TUNNEL_CSUM_BIT, flags);
	gre_build_header(skb, gre_calc_hlen(flags), flags, htons(proto), 0, 0);
}

__rust_ipvs_helper void rust_ipvs_helper_local_ports(const struct net *net, int *low, int *high)
{
	inet_get_local_port_range(net, low, high);
}

__rust_ipvs_helper u8 *rust_ipvs_helper_skb_push_outer(struct sk_buff *skb, unsigned int len)
{
	__skb_push(skb, len);
	skb_reset_network_header(skb);
	memset(&(IPCB(skb)->opt), 0, sizeof(IPCB(skb)->opt));
	return skb->data;
}

__rust_ipvs_helper void rust_ipvs_helper_skb_clear_cb(struct sk_buff *skb)
{
	memset(skb->cb, 0, sizeof(skb->cb));
}

/*
 * Replaces ip_local_out() and ip6_local_out() for a header without options that was just written,
 * with a checksum of 0.
 */
__rust_ipvs_helper void rust_ipvs_helper_local_out_v4(struct net *net, struct sk_buff *skb,
						      const void *owner)
{
	struct iphdr *iph = ip_hdr(skb);

	skb->ignore_df = 1;
	if (skb->dev) {
		skb_orphan(skb);
		skb_clear_tstamp(skb);
	}
	IP_INC_STATS(net, IPSTATS_MIB_OUTREQUESTS);
	iph_set_totlen(iph, skb->len);
	iph->check = ip_fast_csum(iph, sizeof(*iph) / 4);
	skb = l3mdev_ip_out(skb->sk, skb);
	if (!skb)
		return;
	skb->protocol = htons(ETH_P_IP);
	if (has_no_other_hook(&net->nf.hooks_ipv4[NF_INET_LOCAL_OUT], owner))
		dst_output(net, skb->sk, skb);
	else
		NF_HOOK(NFPROTO_IPV4, NF_INET_LOCAL_OUT, net, skb->sk, skb, NULL,
			skb_dst(skb)->dev, dst_output);
}

__rust_ipvs_helper void rust_ipvs_helper_local_out_v6(struct net *net, struct sk_buff *skb,
						      const void *owner)
{
#if IS_ENABLED(CONFIG_IPV6)
	skb->ignore_df = 1;
	if (skb->dev) {
		skb_orphan(skb);
		skb_clear_tstamp(skb);
	}
	ipv6_set_payload_len(ipv6_hdr(skb), skb->len - sizeof(struct ipv6hdr));
	IP6CB(skb)->nhoff = offsetof(struct ipv6hdr, nexthdr);
	skb = l3mdev_ip6_out(skb->sk, skb);
	if (!skb)
		return;
	skb->protocol = htons(ETH_P_IPV6);
	if (has_no_other_hook(&net->nf.hooks_ipv6[NF_INET_LOCAL_OUT], owner))
		dst_output(net, skb->sk, skb);
	else
		NF_HOOK(NFPROTO_IPV6, NF_INET_LOCAL_OUT, net, skb->sk, skb, NULL,
			skb_dst(skb)->dev, dst_output);
#else
	kfree_skb(skb);
#endif
}
