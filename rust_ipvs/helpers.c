// SPDX-License-Identifier: GPL-2.0
/* C for what the kernel's headers offer only as inline functions and macros: no logic, no state. */

#include <linux/cpumask.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/inetdevice.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/isolation.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/swap.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/gre.h>
#include <net/gso.h>
#include <net/icmp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include <net/ipv6_frag.h>
#include <net/l3mdev.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/netns/generic.h>
#include <net/route.h>
#include <net/udp.h>
#include <net/xfrm.h>
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_expect.h>
#include <net/netfilter/nf_conntrack_helper.h>
#include <net/netfilter/nf_conntrack_seqadj.h>
#include <net/netfilter/nf_conntrack_zones.h>
#endif
#include "helpers.h"

#if !IS_ENABLED(CONFIG_IP_VS) && !IS_ENABLED(CONFIG_RUST_IPVS)
#error "packets have no ipvs_property in this kernel: it needs CONFIG_IP_VS=m, or the patch that puts rust_ipvs into it"
#endif

/* kapi/rcu.rs, kapi/slab.rs, kapi/table.rs, kapi/percpu.rs, kapi/time.rs */

__rust_ipvs_helper unsigned long rust_ipvs_helper_xchg(unsigned long *word, unsigned long value)
{
	return xchg(word, value);
}

__rust_ipvs_helper unsigned long rust_ipvs_helper_cmpxchg(unsigned long *word, unsigned long old, unsigned long value)
{
	return cmpxchg(word, old, value);
}

__rust_ipvs_helper void rust_ipvs_helper_spin_lock_init(spinlock_t *lock)
{
	spin_lock_init(lock);
}

__rust_ipvs_helper void rust_ipvs_helper_spin_lock_bh(spinlock_t *lock)
{
	spin_lock_bh(lock);
}

__rust_ipvs_helper void rust_ipvs_helper_spin_unlock_bh(spinlock_t *lock)
{
	spin_unlock_bh(lock);
}

__rust_ipvs_helper void rust_ipvs_helper_cond_resched(void)
{
	cond_resched();
}

/* An inline function where there is one CPU. */
__rust_ipvs_helper void rust_ipvs_helper_synchronize_rcu_expedited(void)
{
	synchronize_rcu_expedited();
}

/*
 * Per-CPU addresses come as numbers: a pointer into the per-CPU address space is another type to the
 * compiler than the one that Rust passes, which would keep the function from being inlined.
 */
__rust_ipvs_helper void rust_ipvs_helper_this_cpu_add(unsigned long counter, u64 value)
{
	this_cpu_add(*(u64 __percpu *)counter, value);
}

__rust_ipvs_helper u64 rust_ipvs_helper_this_cpu_inc_return(unsigned long counter)
{
	return this_cpu_inc_return(*(u64 __percpu *)counter);
}

__rust_ipvs_helper void rust_ipvs_helper_this_cpu_write(unsigned long counter, u64 value)
{
	this_cpu_write(*(u64 __percpu *)counter, value);
}

__rust_ipvs_helper void rust_ipvs_helper_percpu_sums(unsigned long counters, unsigned int count,
						     u64 *sums)
{
	unsigned int i;
	int cpu;

	memset(sums, 0, count * sizeof(*sums));
	for_each_possible_cpu(cpu) {
		const u64 *own = per_cpu_ptr((u64 __percpu *)counters, cpu);

		for (i = 0; i < count; i++)
			sums[i] += READ_ONCE(own[i]);
	}
}

__rust_ipvs_helper void rust_ipvs_helper_percpu_zero(unsigned long counters, unsigned int count)
{
	int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr((u64 __percpu *)counters, cpu), 0, count * sizeof(u64));
}

__rust_ipvs_helper void rust_ipvs_helper_percpu_shift(unsigned long from, unsigned long to,
						      unsigned int count, bool back)
{
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu) {
		const u64 *own = per_cpu_ptr((u64 __percpu *)from, cpu);
		u64 *sums = per_cpu_ptr((u64 __percpu *)to, cpu);

		for (i = 0; i < count; i++)
			sums[i] += back ? -READ_ONCE(own[i]) : READ_ONCE(own[i]);
	}
}

__rust_ipvs_helper u64 rust_ipvs_helper_percpu_read(unsigned long counter, unsigned int cpu)
{
	return READ_ONCE(*per_cpu_ptr((u64 __percpu *)counter, cpu));
}

__rust_ipvs_helper unsigned int rust_ipvs_helper_next_cpu(unsigned int from)
{
	/* What is not below `nr_cpu_ids` is none. */
	return from < nr_cpu_ids ? cpumask_next((int)from - 1, cpu_possible_mask) : nr_cpu_ids;
}

__rust_ipvs_helper unsigned int rust_ipvs_helper_cpu_ids(void)
{
	return nr_cpu_ids;
}

__rust_ipvs_helper unsigned long rust_ipvs_helper_jiffies(void)
{
	return jiffies;
}

__rust_ipvs_helper u64 rust_ipvs_helper_jiffies64(void)
{
	return get_jiffies_64();
}

__rust_ipvs_helper unsigned int rust_ipvs_helper_slab_flags(void)
{
	return (__force unsigned int)(SLAB_HWCACHE_ALIGN | SLAB_NO_MERGE);
}

/* kapi/cpus.rs */

__rust_ipvs_helper bool rust_ipvs_helper_cpulist_empty(const struct cpumask *mask)
{
	return cpumask_empty(mask);
}

__rust_ipvs_helper int rust_ipvs_helper_cpulist_parse(const char *text, struct cpumask *mask)
{
	int err = cpulist_parse(text, mask);

	if (!err)
		cpumask_and(mask, mask, current->cpus_ptr);
	return err;
}

__rust_ipvs_helper int rust_ipvs_helper_cpulist_print(char *text, size_t size,
						      const struct cpumask *mask)
{
	int length;

	/* What CPUs are left to the kernel's threads may change. */
	rcu_read_lock();
	if (!mask)
		mask = housekeeping_cpumask(HK_TYPE_KTHREAD);
	length = scnprintf(text, size, "%*pbl\n", cpumask_pr_args(mask));
	rcu_read_unlock();
	return length;
}

/* kapi/memory.rs */

/* Pages that are free, or hold what can be read again at once. */
__rust_ipvs_helper unsigned long rust_ipvs_helper_free_buffer_pages(void)
{
	return nr_free_buffer_pages();
}

__rust_ipvs_helper unsigned long rust_ipvs_helper_free_pages(void)
{
	struct sysinfo info;

	si_meminfo(&info);
	return info.freeram + info.bufferram;
}

/* kapi/modules.rs */

__rust_ipvs_helper bool rust_ipvs_helper_module_has_name(struct module *module, const char *name)
{
	return !strcmp(module_name(module), name);
}

__rust_ipvs_helper int rust_ipvs_helper_register_module_notifier(struct notifier_block *block)
{
	return register_module_notifier(block);
}

__rust_ipvs_helper void rust_ipvs_helper_unregister_module_notifier(struct notifier_block *block)
{
	unregister_module_notifier(block);
}

__rust_ipvs_helper int rust_ipvs_helper_notifier_from_errno(int err)
{
	return notifier_from_errno(err);
}

/* kapi/net.rs */

__rust_ipvs_helper void *rust_ipvs_helper_net_generic(const struct net *net, unsigned int id)
{
	return net_generic(net, id);
}

__rust_ipvs_helper bool rust_ipvs_helper_net_is_init(const struct net *net)
{
	return net_eq(net, &init_net);
}

/* kapi/ticker.rs */

__rust_ipvs_helper void rust_ipvs_helper_init_delayed_work(struct delayed_work *work,
							   work_func_t func)
{
	INIT_DELAYED_WORK(work, func);
}

__rust_ipvs_helper bool rust_ipvs_helper_queue_delayed_work(struct delayed_work *work,
							    unsigned long delay)
{
	return queue_delayed_work(system_dfl_wq, work, delay);
}

__rust_ipvs_helper void rust_ipvs_helper_mod_delayed_work(struct delayed_work *work,
							  unsigned long delay)
{
	mod_delayed_work(system_dfl_wq, work, delay);
}

/* kapi/skbuff.rs */

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
	/* Most packets are, which need not be asked for out of line. */
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

__rust_ipvs_helper bool rust_ipvs_helper_skb_add_room(struct sk_buff *skb, unsigned int extra)
{
	unsigned int room;

	if (skb_ensure_writable(skb, skb->len))
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

__rust_ipvs_helper void rust_ipvs_helper_skb_set_dst_noref(struct sk_buff *skb,
							   struct dst_entry *dst)
{
	skb_dst_drop(skb);
	skb_dst_set_noref(skb, dst);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_set_dst(struct sk_buff *skb, struct dst_entry *dst)
{
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_forwardable(struct sk_buff *skb)
{
	skb->ignore_df = 1;
	/* A socket that early demultiplexing attached; one that sent the packet stays its owner. */
	if (skb->dev)
		skb_orphan(skb);
	skb_forward_csum(skb);
	skb_clear_tstamp(skb);
}

/* Whether the only hook at a place is the owner's. */
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
	icmp_send(skb, type, code, htonl(info));
}

__rust_ipvs_helper void rust_ipvs_helper_icmpv6_send(struct sk_buff *skb, u8 type, u8 code,
						     u32 info)
{
	/* A packet of this host has no device yet, without which nothing would be sent. */
	if (!skb->dev)
		skb->dev = skb_dst(skb)->dev;
	icmpv6_send(skb, type, code, info);
}

__rust_ipvs_helper void rust_ipvs_helper_link_failure(struct sk_buff *skb)
{
	if (!skb->dev)
		skb->dev = skb_dst(skb)->dev;
	dst_link_failure(skb);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_orphan(struct sk_buff *skb)
{
	skb_orphan(skb);
}

__rust_ipvs_helper void rust_ipvs_helper_skb_update_pmtu(struct sk_buff *skb, unsigned int mtu)
{
	struct dst_entry *dst = skb_dst(skb);
	struct sock *sk = skb->sk;

	/* Without the packet: that has no device yet, at which the protocols would look. */
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

/* Where this fails, the fragment has been taken, as ip_defrag() does it. */
__rust_ipvs_helper int rust_ipvs_helper_ip6_defrag(struct net *net, struct sk_buff *skb,
						   unsigned int hook)
{
#if IS_ENABLED(CONFIG_IPV6)
	/* Those of nf_defrag_ipv6's own hooks: who begins may leave the rest to them. */
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

/* kapi/conntrack.rs, kapi/conntrack/again.rs, kapi/conntrack/related.rs */

/* Rust has a structure of its own for this one, whose unions bindgen does not make usable. */
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
	return nfct_seqadj(ct) || nfct_seqadj_ext_add(ct);
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_add_help(struct nf_conn *ct)
{
	return nfct_help(ct) || (!nf_ct_is_confirmed(ct) && nf_ct_helper_ext_add(ct, GFP_ATOMIC));
}

__rust_ipvs_helper bool rust_ipvs_helper_ct_shift_seq(struct nf_conn *ct, unsigned int info, u32 seq,
						      s32 shift)
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
	/* A helper that is attached to the entry has a time of its own. */
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

#else /* No packet is tracked, and no entry is ever found. */

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

__rust_ipvs_helper bool rust_ipvs_helper_ct_shift_seq(struct nf_conn *ct, unsigned int info, u32 seq,
						      s32 shift)
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

/* kapi/skbuff/tunnel.rs */

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
 * In place of ip_local_out() and ip6_local_out(): the header was written just now, with a checksum of 0, and has no options.
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

/* kapi/route.rs */

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
		/* Once more, now that the source is known: rules may look at it. */
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

/* kapi/genetlink.rs */

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

/* kapi/sockopt.rs */

__rust_ipvs_helper struct net *rust_ipvs_helper_sock_net(const struct sock *sk)
{
	return sock_net(sk);
}

__rust_ipvs_helper int rust_ipvs_helper_copy_from_sockptr(void *to, const sockptr_t *from, size_t length)
{
	return copy_from_sockptr(to, *from, length) ? -EFAULT : 0;
}

/* kapi/procfs.rs */

__rust_ipvs_helper void *rust_ipvs_helper_seq_file_data(struct seq_file *seq)
{
	return pde_data(file_inode(seq->file));
}

/* kapi/net.rs */

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

/* kapi/thread.rs */

__rust_ipvs_helper void rust_ipvs_helper_get_task(struct task_struct *task)
{
	get_task_struct(task);
}

__rust_ipvs_helper void rust_ipvs_helper_init_wait_queue(wait_queue_head_t *queue)
{
	init_waitqueue_head(queue);
}

__rust_ipvs_helper void rust_ipvs_helper_ring(wait_queue_head_t *queue, unsigned int *rung)
{
	if (!xchg(rung, 1))
		wake_up(queue);
}

__rust_ipvs_helper void rust_ipvs_helper_wait_for_ring(wait_queue_head_t *queue, unsigned int *rung,
						       long timeout)
{
	wait_event_idle_timeout(*queue, xchg(rung, 0) || kthread_should_stop(), timeout);
}

/* kapi/datagram.rs */

__rust_ipvs_helper int rust_ipvs_helper_sock_option(struct socket *sock, int level, int name,
						    void *value, int length)
{
	return do_sock_setsockopt(sock, true, level, name, KERNEL_SOCKPTR(value), length);
}

__rust_ipvs_helper struct net *rust_ipvs_helper_socket_net(const struct socket *sock)
{
	return sock_net(sock->sk);
}

__rust_ipvs_helper void rust_ipvs_helper_wait_for_datagram(struct socket *sock)
{
	struct sock *sk = sock->sk;

	/* Sockets wake nobody who sleeps more soundly. */
	wait_event_interruptible(*sk_sleep(sk),
				 !skb_queue_empty_lockless(&sk->sk_receive_queue) ||
				 !skb_queue_empty_lockless(&udp_sk(sk)->reader_queue) ||
				 kthread_should_stop());
}
