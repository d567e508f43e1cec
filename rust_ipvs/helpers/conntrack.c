// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/conntrack.rs, kapi/conntrack/again.rs and kapi/conntrack/related.rs: inline
 * functions and macros, for which bindgen creates no bindings. Contexts and contracts are stated
 * with the Rust functions that call them.
 */

/* kapi/conntrack.rs declares this layout itself: the unions are not usable as bindgen has them. */
static_assert(offsetof(struct nf_conntrack_tuple, src.u3) == 0 &&
	      offsetof(struct nf_conntrack_tuple, src.u.all) == 16 &&
	      offsetof(struct nf_conntrack_tuple, src.l3num) == 18 &&
	      offsetof(struct nf_conntrack_tuple, dst.u3) == 20 &&
	      offsetof(struct nf_conntrack_tuple, dst.u.all) == 36 &&
	      offsetof(struct nf_conntrack_tuple, dst.protonum) == 38 &&
	      offsetof(struct nf_conntrack_tuple, dst.dir) == 39);

#if IS_ENABLED(CONFIG_NF_CONNTRACK)

__rust_ipvs_helper bool rust_ipvs_helper_skb_is_tracked(const struct sk_buff *skb)
{
	return skb_nfct(skb);
}

__rust_ipvs_helper struct nf_conn *rust_ipvs_helper_skb_ct(const struct sk_buff *skb,
							   unsigned int *info)
{
	enum ip_conntrack_info ctinfo;
	struct nf_conn *ct = nf_ct_get(skb, &ctinfo);

	*info = ctinfo;
	return ct;
}

__rust_ipvs_helper void rust_ipvs_helper_skb_untrack(struct sk_buff *skb)
{
	if (skb_nfct(skb)) {
		nf_reset_ct(skb);
		nf_ct_set(skb, NULL, IP_CT_UNTRACKED);
	}
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_confirm(struct sk_buff *skb)
{
	return nf_conntrack_confirm(skb) == NF_ACCEPT;
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_is_confirmed(const struct nf_conn *ct)
{
	return nf_ct_is_confirmed(ct);
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_is_dying(const struct nf_conn *ct)
{
	return nf_ct_is_dying(ct);
}

__rust_ipvs_helper const struct nf_conntrack_tuple *
rust_ipvs_helper_ct_tuple(const struct nf_conn *ct, u8 direction)
{
	return nf_ct_tuple(ct, direction & 1);
}

__rust_ipvs_helper void rust_ipvs_helper_ct_alter_reply(struct nf_conn *ct,
							const struct nf_conntrack_tuple *reply)
{
	if (!nf_ct_is_confirmed(ct))
		nf_conntrack_alter_reply(ct, reply);
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_add_seqadj(struct nf_conn *ct)
{
	/* Extensions of a confirmed entry have readers, so they must not be reallocated. */
	return nfct_seqadj(ct) || (!nf_ct_is_confirmed(ct) && nfct_seqadj_ext_add(ct));
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_add_help(struct nf_conn *ct)
{
	return nfct_help(ct) || (!nf_ct_is_confirmed(ct) && nf_ct_helper_ext_add(ct, GFP_ATOMIC));
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_shift_seq(struct nf_conn *ct, unsigned int info,
						      u32 seq, s32 shift)
{
	return nfct_seqadj(ct) && !nf_ct_seqadj_set(ct, info, htonl(seq), shift);
}

__rust_ipvs_helper struct nf_conntrack_expect *
rust_ipvs_helper_ct_expect(struct nf_conn *ct, const struct nf_conntrack_tuple *tuple,
			   unsigned int seconds)
{
	struct nf_conntrack_expect *expect = nf_ct_expect_alloc(ct);

	if (!expect)
		return NULL;
	nf_ct_expect_init(expect, NF_CT_EXPECT_CLASS_DEFAULT, tuple->src.l3num, &tuple->src.u3,
			  &tuple->dst.u3, tuple->dst.protonum,
			  tuple->src.u.all ? &tuple->src.u.all : NULL, &tuple->dst.u.all);
	/* If a helper is attached to the entry, its policy sets the timeout instead. */
	if (nfct_help(ct) && !rcu_access_pointer(nfct_help(ct)->helper))
		expect->timeout += seconds * HZ;
	return expect;
}

__rust_ipvs_helper int rust_ipvs_helper_ct_expect_related(struct nf_conntrack_expect *expect)
{
	return nf_ct_expect_related(expect, 0);
}

__rust_ipvs_helper void rust_ipvs_helper_ct_expect_put(struct nf_conntrack_expect *expect)
{
	nf_ct_expect_put(expect);
}

__rust_ipvs_helper void rust_ipvs_helper_ct_unexpect(struct nf_conn *ct,
						     const struct nf_conntrack_tuple *tuple)
{
	struct nf_conntrack_expect *expect =
		nf_ct_expect_find_get(nf_ct_net(ct), &nf_ct_zone_dflt, tuple);

	if (!expect)
		return;
	if (expect->master == ct)
		nf_ct_unexpect_related(expect);
	nf_ct_expect_put(expect);
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_kill(struct nf_conn *ct)
{
	return nf_ct_kill(ct);
}

__rust_ipvs_helper void rust_ipvs_helper_ct_put(struct nf_conn *ct)
{
	nf_ct_put(ct);
}

__rust_ipvs_helper struct nf_conn *
rust_ipvs_helper_ct_find_get(struct net *net, const struct nf_conntrack_tuple *tuple)
{
	struct nf_conntrack_tuple_hash *hash = nf_conntrack_find_get(net, &nf_ct_zone_dflt, tuple);

	return hash ? nf_ct_tuplehash_to_ctrack(hash) : NULL;
}

__rust_ipvs_helper int rust_ipvs_helper_ct_netns_get(struct net *net, u8 pf)
{
	return nf_ct_netns_get(net, pf);
}

__rust_ipvs_helper void rust_ipvs_helper_ct_netns_put(struct net *net, u8 pf)
{
	nf_ct_netns_put(net, pf);
}

#else /* Without connection tracking no packet carries an entry and none is found. */

__rust_ipvs_helper bool rust_ipvs_helper_skb_is_tracked(const struct sk_buff *skb)
{
	return false;
}

__rust_ipvs_helper struct nf_conn *rust_ipvs_helper_skb_ct(const struct sk_buff *skb,
							   unsigned int *info)
{
	return NULL;
}

__rust_ipvs_helper void rust_ipvs_helper_skb_untrack(struct sk_buff *skb)
{
}

__rust_ipvs_helper bool rust_ipvs_helper_skb_confirm(struct sk_buff *skb)
{
	return true;
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_is_confirmed(const struct nf_conn *ct)
{
	return true;
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_is_dying(const struct nf_conn *ct)
{
	return true;
}

__rust_ipvs_helper const struct nf_conntrack_tuple *
rust_ipvs_helper_ct_tuple(const struct nf_conn *ct, u8 direction)
{
	static const struct nf_conntrack_tuple none;

	return &none;
}

__rust_ipvs_helper void rust_ipvs_helper_ct_alter_reply(struct nf_conn *ct,
							const struct nf_conntrack_tuple *reply)
{
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_add_seqadj(struct nf_conn *ct)
{
	return false;
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_add_help(struct nf_conn *ct)
{
	return false;
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_shift_seq(struct nf_conn *ct, unsigned int info,
						      u32 seq, s32 shift)
{
	return false;
}

__rust_ipvs_helper struct nf_conntrack_expect *
rust_ipvs_helper_ct_expect(struct nf_conn *ct, const struct nf_conntrack_tuple *tuple,
			   unsigned int seconds)
{
	return NULL;
}

__rust_ipvs_helper int rust_ipvs_helper_ct_expect_related(struct nf_conntrack_expect *expect)
{
	return -EOPNOTSUPP;
}

__rust_ipvs_helper void rust_ipvs_helper_ct_expect_put(struct nf_conntrack_expect *expect)
{
}

__rust_ipvs_helper void rust_ipvs_helper_ct_unexpect(struct nf_conn *ct,
						     const struct nf_conntrack_tuple *tuple)
{
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_kill(struct nf_conn *ct)
{
	return false;
}

__rust_ipvs_helper void rust_ipvs_helper_ct_put(struct nf_conn *ct)
{
}

__rust_ipvs_helper struct nf_conn *
rust_ipvs_helper_ct_find_get(struct net *net, const struct nf_conntrack_tuple *tuple)
{
	return NULL;
}

__rust_ipvs_helper int rust_ipvs_helper_ct_netns_get(struct net *net, u8 pf)
{
	return -EOPNOTSUPP;
}

__rust_ipvs_helper void rust_ipvs_helper_ct_netns_put(struct net *net, u8 pf)
{
}

#endif

__rust_ipvs_helper void rust_ipvs_helper_skb_reset_ct(struct sk_buff *skb)
{
	nf_reset_ct(skb);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_come_again(struct net *net, struct sk_buff *skb,
							u8 pf, rust_ipvs_okfn then)
{
	skb_orphan(skb);
	skb_dst_drop(skb);
	NF_HOOK(pf, NF_INET_PRE_ROUTING, net, NULL, skb, skb->dev, NULL, then);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_leave_again(struct net *net, struct sk_buff *skb,
							 u8 pf, rust_ipvs_okfn then)
{
	NF_HOOK(pf, NF_INET_LOCAL_OUT, net, skb->sk, skb, NULL, skb_dst(skb)->dev, then);
}

__rust_ipvs_helper int rust_ipvs_helper_skb_route_in(struct sk_buff *skb)
{
	if (skb_dst(skb))
		return dst_input(skb);
	if (skb->protocol == htons(ETH_P_IP)) {
		const struct iphdr *iph = ip_hdr(skb);

		if (ip_route_input(skb, iph->daddr, iph->saddr, ip4h_dscp(iph), skb->dev)) {
			kfree_skb(skb);
			return NET_RX_DROP;
		}
		return dst_input(skb);
	}
#if IS_ENABLED(CONFIG_IPV6)
	ip6_route_input(skb);
	return dst_input(skb);
#else
	kfree_skb(skb);
	return NET_RX_DROP;
#endif
}

__rust_ipvs_helper int rust_ipvs_helper_dst_output(struct net *net, struct sock *sk,
						   struct sk_buff *skb)
{
	return dst_output(net, sk, skb);
}
