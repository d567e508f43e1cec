// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/genetlink.rs: inline functions and macros, for which bindgen creates no
 * bindings. Contexts and contracts are stated with the Rust functions that call them.
 */

__rust_ipvs_helper struct net *rust_ipvs_helper_genl_info_net(const struct genl_info *info)
{
	return genl_info_net(info);
}

__rust_ipvs_helper int rust_ipvs_helper_genlmsg_reply(struct sk_buff *skb, struct genl_info *info)
{
	return genlmsg_reply(skb, info);
}

__rust_ipvs_helper u8 *rust_ipvs_helper_skb_tail(const struct sk_buff *skb)
{
	return skb_tail_pointer(skb);
}

__rust_ipvs_helper unsigned int rust_ipvs_helper_skb_tailroom(const struct sk_buff *skb)
{
	return skb_tailroom(skb);
}

__rust_ipvs_helper int rust_ipvs_helper_genl_has_listeners(const struct genl_family *family,
							   struct net *net, unsigned int group)
{
	return genl_has_listeners(family, net, group);
}

__rust_ipvs_helper int
rust_ipvs_helper_genlmsg_multicast_netns(const struct genl_family *family, struct net *net,
					 struct sk_buff *skb, unsigned int group)
{
	return genlmsg_multicast_netns(family, net, skb, 0, group, GFP_KERNEL);
}
