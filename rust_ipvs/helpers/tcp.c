// SPDX-License-Identifier: GPL-2.0
/* For kapi/tcp.rs: TCP segments without a socket. */

/* The sequence numbers of a segment are in host order, ports in network order. */
static void rust_ipvs_tcp_header(struct tcphdr *th, __be16 sport, __be16 dport, u32 seq, u32 ack,
				 bool has_ack, bool is_rst)
{
	memset(th, 0, sizeof(*th));
	th->source = sport;
	th->dest = dport;
	th->seq = htonl(seq);
	th->ack_seq = htonl(ack);
	th->doff = sizeof(*th) / 4;
	th->ack = has_ack;
	th->rst = is_rst;
}

/* Returns a buffer for a segment with an IP header of @l3 bytes, or NULL. */
static struct sk_buff *rust_ipvs_tcp_alloc(unsigned int l3)
{
	struct sk_buff *skb = alloc_skb(LL_MAX_HEADER + l3 + sizeof(struct tcphdr), GFP_ATOMIC);

	if (!skb)
		return NULL;
	skb_reserve(skb, LL_MAX_HEADER);
	skb_reset_network_header(skb);
	skb_put(skb, l3 + sizeof(struct tcphdr));
	skb_set_transport_header(skb, l3);
	skb->ipvs_property = 1;
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	nf_ct_set(skb, NULL, IP_CT_UNTRACKED);
#endif
	return skb;
}

__rust_ipvs_helper void rust_ipvs_helper_tcp_send_v4(struct net *net, __be32 saddr, __be32 daddr,
						     __be16 sport, __be16 dport, u32 seq, u32 ack,
						     bool has_ack, bool is_rst)
{
	struct flowi4 fl4 = {
		.saddr = saddr,
		.daddr = daddr,
		.fl4_sport = sport,
		.fl4_dport = dport,
		.flowi4_proto = IPPROTO_TCP,
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
	};
	struct rtable *rt = ip_route_output_key(net, &fl4);
	struct sk_buff *skb;
	struct tcphdr *th;
	struct iphdr *iph;

	if (IS_ERR(rt))
		return;
	skb = rust_ipvs_tcp_alloc(sizeof(*iph));
	if (!skb) {
		ip_rt_put(rt);
		return;
	}
	skb_dst_set(skb, &rt->dst);
	skb->protocol = htons(ETH_P_IP);
	iph = ip_hdr(skb);
	memset(iph, 0, sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->frag_off = htons(IP_DF);
	iph->ttl = ip4_dst_hoplimit(&rt->dst);
	iph->protocol = IPPROTO_TCP;
	iph->saddr = saddr;
	iph->daddr = daddr;
	th = tcp_hdr(skb);
	rust_ipvs_tcp_header(th, sport, dport, seq, ack, has_ack, is_rst);
	th->check = csum_tcpudp_magic(saddr, daddr, sizeof(*th), IPPROTO_TCP,
				      csum_partial(th, sizeof(*th), 0));
	/* It sets the length and the checksum of the header. */
	ip_local_out(net, NULL, skb);
}

__rust_ipvs_helper void rust_ipvs_helper_tcp_send_v6(struct net *net, const struct in6_addr *saddr,
						     const struct in6_addr *daddr, __be16 sport,
						     __be16 dport, u32 seq, u32 ack, bool has_ack,
						     bool is_rst)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct flowi6 fl6 = {
		.saddr = *saddr,
		.daddr = *daddr,
		.fl6_sport = sport,
		.fl6_dport = dport,
		.flowi6_proto = IPPROTO_TCP,
		.flowi6_flags = FLOWI_FLAG_ANYSRC,
	};
	struct dst_entry *dst = ip6_route_output(net, NULL, &fl6);
	struct ipv6hdr *iph;
	struct sk_buff *skb;
	struct tcphdr *th;

	if (dst->error) {
		dst_release(dst);
		return;
	}
	dst = xfrm_lookup(net, dst, flowi6_to_flowi(&fl6), NULL, 0);
	if (IS_ERR(dst))
		return;
	skb = rust_ipvs_tcp_alloc(sizeof(*iph));
	if (!skb) {
		dst_release(dst);
		return;
	}
	skb_dst_set(skb, dst);
	skb->protocol = htons(ETH_P_IPV6);
	iph = ipv6_hdr(skb);
	ip6_flow_hdr(iph, 0, 0);
	iph->payload_len = htons(sizeof(*th));
	iph->nexthdr = IPPROTO_TCP;
	iph->hop_limit = ip6_dst_hoplimit(dst);
	iph->saddr = *saddr;
	iph->daddr = *daddr;
	th = tcp_hdr(skb);
	rust_ipvs_tcp_header(th, sport, dport, seq, ack, has_ack, is_rst);
	th->check = csum_ipv6_magic(saddr, daddr, sizeof(*th), IPPROTO_TCP,
				    csum_partial(th, sizeof(*th), 0));
	ip6_local_out(net, NULL, skb);
#endif
}

/*
 * Turns a TCP segment into an RST with the same numbers: its payload is cut off, and nothing is
 * left to a device. @l4 is the offset of the transport header from the network header. The packet
 * is as before if this returns false.
 */
__rust_ipvs_helper bool rust_ipvs_helper_tcp_make_rst(struct sk_buff *skb, unsigned int l4, u8 pf)
{
	int offset = skb_network_offset(skb);
	unsigned int len, segment;
	struct tcphdr *th;

	if (offset < 0 || skb_ensure_writable(skb, offset + l4 + sizeof(*th)))
		return false;
	th = (struct tcphdr *)(skb_network_header(skb) + l4);
	segment = th->doff * 4;
	len = l4 + segment;
	if (segment < sizeof(*th) || skb_ensure_writable(skb, offset + len) ||
	    pskb_trim(skb, offset + len))
		return false;
	skb_gso_reset(skb);
	skb->ip_summed = CHECKSUM_NONE;
	th = (struct tcphdr *)(skb_network_header(skb) + l4);
	th->rst = 1;
	th->fin = 0;
	th->syn = 0;
	th->psh = 0;
	th->check = 0;
	if (pf == NFPROTO_IPV4) {
		struct iphdr *iph = ip_hdr(skb);

		iph->tot_len = htons(len);
		ip_send_check(iph);
		th->check = csum_tcpudp_magic(iph->saddr, iph->daddr, segment, IPPROTO_TCP,
					      csum_partial(th, segment, 0));
	} else {
		struct ipv6hdr *iph = ipv6_hdr(skb);

		iph->payload_len = htons(len - sizeof(*iph));
		th->check = csum_ipv6_magic(&iph->saddr, &iph->daddr, segment, IPPROTO_TCP,
					    csum_partial(th, segment, 0));
	}
	return true;
}
