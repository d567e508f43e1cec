/* SPDX-License-Identifier: GPL-2.0 */
/* Declarations of helpers.c, for bindgen and for the C compiler. */
#ifndef _RUST_IPVS_HELPERS_H
#define _RUST_IPVS_HELPERS_H

#include <linux/icmp.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/seq_file.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_conntrack_tuple.h>

struct nf_conn;
struct nf_conntrack_expect;

/* Linked as bitcode, a helper disappears in its caller; linked as an object, it is a function. */
#if defined(RUST_IPVS_INLINE)
#define __rust_ipvs_helper __always_inline
#else
#define __rust_ipvs_helper
#endif

/* kapi/rcu.rs, kapi/slab.rs, kapi/table.rs, kapi/percpu.rs, kapi/time.rs */
unsigned long rust_ipvs_helper_xchg(unsigned long *word, unsigned long value);
unsigned long rust_ipvs_helper_cmpxchg(unsigned long *word, unsigned long old, unsigned long value);
void rust_ipvs_helper_spin_lock_init(spinlock_t *lock);
void rust_ipvs_helper_spin_lock_bh(spinlock_t *lock);
void rust_ipvs_helper_spin_unlock_bh(spinlock_t *lock);
bool rust_ipvs_helper_spin_lock_softirq(spinlock_t *lock);
void rust_ipvs_helper_spin_unlock_softirq(spinlock_t *lock, bool bh);
void rust_ipvs_helper_spin_lock_nested(spinlock_t *lock, int subclass);
void rust_ipvs_helper_spin_unlock(spinlock_t *lock);
void rust_ipvs_helper_cond_resched(void);
void rust_ipvs_helper_synchronize_rcu_expedited(void);
void rust_ipvs_helper_this_cpu_add(unsigned long counter, u64 value);
u64 rust_ipvs_helper_this_cpu_inc_return(unsigned long counter);
void rust_ipvs_helper_this_cpu_write(unsigned long counter, u64 value);
void rust_ipvs_helper_percpu_sums(unsigned long counters, unsigned int count, u64 *sums);
void rust_ipvs_helper_percpu_zero(unsigned long counters, unsigned int count);
u64 rust_ipvs_helper_percpu_read(unsigned long counter, unsigned int cpu);
unsigned long rust_ipvs_helper_percpu_alloc(size_t size);
unsigned long rust_ipvs_helper_jiffies(void);
u64 rust_ipvs_helper_jiffies64(void);
unsigned int rust_ipvs_helper_slab_flags(void);

/* kapi/cpus.rs */
bool rust_ipvs_helper_cpulist_empty(const struct cpumask *mask);
int rust_ipvs_helper_cpulist_parse(const char *text, struct cpumask *mask);
int rust_ipvs_helper_cpulist_print(char *text, size_t size, const struct cpumask *mask);
unsigned int rust_ipvs_helper_next_cpu(unsigned int from);
unsigned int rust_ipvs_helper_cpu_ids(void);

/* kapi/memory.rs */
unsigned long rust_ipvs_helper_free_pages(void);
unsigned long rust_ipvs_helper_free_buffer_pages(void);

/* kapi/devices.rs */
int rust_ipvs_helper_register_netdevice_notifier(struct notifier_block *block);
void rust_ipvs_helper_unregister_netdevice_notifier(struct notifier_block *block);
struct net_device *rust_ipvs_helper_device_of_event(void *info);
struct net *rust_ipvs_helper_net_of_device(const struct net_device *dev);
unsigned int rust_ipvs_helper_kind_of_event(unsigned long event);

/* kapi/ingress.rs and kapi/ingress/ */
void rust_ipvs_helper_rtnl_lock(void);
void rust_ipvs_helper_rtnl_unlock(void);
struct net_device *rust_ipvs_helper_next_device(struct net *net, struct net_device *dev);
bool rust_ipvs_helper_device_is_loopback(const struct net_device *dev);
void rust_ipvs_helper_ingress_hook(struct nf_hook_ops *ops, struct net_device *dev);
u8 rust_ipvs_helper_skb_family(const struct sk_buff *skb);
bool rust_ipvs_helper_skb_is_unmarked(struct sk_buff *skb);
void rust_ipvs_helper_skb_set_l4(struct sk_buff *skb, unsigned int l4);
bool rust_ipvs_helper_skb_is_lro(const struct sk_buff *skb);
bool rust_ipvs_helper_skb_is_linear(const struct sk_buff *skb);
void rust_ipvs_helper_skb_trim(struct sk_buff *skb, unsigned int len);
u32 rust_ipvs_helper_genid(const struct net *net, u8 pf);
u8 rust_ipvs_helper_delivers_v4(struct net *net, struct sk_buff *skb);
u8 rust_ipvs_helper_delivers_v6(struct net *net, struct sk_buff *skb);
struct dst_entry *rust_ipvs_helper_forwards_v4(struct net *net, struct sk_buff *skb, u8 *source);
struct dst_entry *rust_ipvs_helper_forwards_v6(struct net *net, struct sk_buff *skb, u8 *source);
struct dst_entry *rust_ipvs_helper_rerouted_v4(struct net *net, const struct sk_buff *skb,
					       const struct dst_entry *dst, u8 proto, __be32 saddr,
					       __be16 sport, __be16 dport);
struct dst_entry *rust_ipvs_helper_rerouted_v6(struct net *net, const struct sk_buff *skb,
					       const struct dst_entry *dst, u8 proto,
					       const struct in6_addr *saddr, __be16 sport,
					       __be16 dport);
bool rust_ipvs_helper_policies_forward(const struct net *net);
bool rust_ipvs_helper_is_forwarding_v6(const struct net *net);
void rust_ipvs_helper_skb_set_priority(const struct net *net, struct sk_buff *skb);
bool rust_ipvs_helper_skb_ensure_room(struct sk_buff *skb, unsigned int len,
				      const struct dst_entry *dst);
void rust_ipvs_helper_skb_finish_outer(struct net *net, struct sk_buff *skb, u8 pf);
bool rust_ipvs_helper_has_others_on_way(const struct net *net, u8 pf, bool delivered,
					const void *owner, const unsigned long *idle,
					unsigned int count);
const void *rust_ipvs_helper_hook_at(const struct net *net, u8 pf, unsigned int point,
				     unsigned int index, char *symbol, size_t size);
bool rust_ipvs_helper_has_strict_source(const struct sk_buff *skb);
struct neighbour *rust_ipvs_helper_neighbour_v4(struct sk_buff *skb, struct dst_entry *dst,
						__be32 daddr);
struct neighbour *rust_ipvs_helper_neighbour_v6(struct sk_buff *skb, struct dst_entry *dst,
						const struct in6_addr *daddr);
void rust_ipvs_helper_skb_send(struct net *net, struct sk_buff *skb, struct dst_entry *dst,
			       struct neighbour *neigh, u8 pf, unsigned int l4,
			       unsigned int received, bool forwarded);

/* kapi/modules.rs */
bool rust_ipvs_helper_module_has_name(struct module *module, const char *name);
int rust_ipvs_helper_register_module_notifier(struct notifier_block *block);
void rust_ipvs_helper_unregister_module_notifier(struct notifier_block *block);
int rust_ipvs_helper_notifier_from_errno(int err);

/* kapi/net.rs */
void rust_ipvs_helper_queue_drop(struct net *net);
void *rust_ipvs_helper_net_generic(const struct net *net, unsigned int id);
bool rust_ipvs_helper_net_is_init(const struct net *net);
bool rust_ipvs_helper_find_device(struct net *net, const char *name, int *index, u32 *mtu,
				  u32 *addr);
bool rust_ipvs_helper_addr_is_usable_v4(struct net *net, __be32 addr);
bool rust_ipvs_helper_addr_is_unicast_v4(struct net *net, __be32 addr);
bool rust_ipvs_helper_addr_is_unicast_v6(const struct in6_addr *addr);
bool rust_ipvs_helper_addr_is_usable_v6(struct net *net, const struct in6_addr *addr);
int rust_ipvs_helper_unprivileged_port_start(const struct net *net);
bool rust_ipvs_helper_defrag_v6(struct net *net);

/* kapi/thread.rs */
void rust_ipvs_helper_get_task(struct task_struct *task);
int rust_ipvs_helper_task_pid(struct task_struct *task);
void rust_ipvs_helper_init_wait_queue(wait_queue_head_t *queue);
void rust_ipvs_helper_wake(wait_queue_head_t *queue, unsigned int *rung);
void rust_ipvs_helper_wait_for_wake(wait_queue_head_t *queue, unsigned int *rung, long timeout);

/* kapi/datagram.rs */
int rust_ipvs_helper_sock_option(struct socket *sock, int level, int name, void *value,
				 int length);
void rust_ipvs_helper_wait_for_datagram(struct socket *sock);

/* kapi/work.rs */
void rust_ipvs_helper_init_delayed_work(struct delayed_work *work, work_func_t func,
					const char *name, struct lock_class_key *key);
bool rust_ipvs_helper_queue_delayed_work(struct delayed_work *work, unsigned long delay);
void rust_ipvs_helper_mod_delayed_work(struct delayed_work *work, unsigned long delay);

/* kapi/skbuff.rs */
bool rust_ipvs_helper_skb_ipvs_property(const struct sk_buff *skb);
void rust_ipvs_helper_skb_set_ipvs_property(struct sk_buff *skb);
u32 rust_ipvs_helper_skb_mark(const struct sk_buff *skb);
unsigned int rust_ipvs_helper_skb_headroom(const struct sk_buff *skb);
bool rust_ipvs_helper_skb_to_host(const struct sk_buff *skb);
bool rust_ipvs_helper_skb_has_dst(const struct sk_buff *skb);
bool rust_ipvs_helper_skb_from_here(const struct sk_buff *skb);
bool rust_ipvs_helper_skb_nodefrag(const struct sk_buff *skb);
bool rust_ipvs_helper_skb_route_is_local(const struct sk_buff *skb, u8 pf);
u8 *rust_ipvs_helper_skb_l3(const struct sk_buff *skb);
int rust_ipvs_helper_skb_l3_offset(const struct sk_buff *skb);
int rust_ipvs_helper_skb_l3_len(const struct sk_buff *skb);
bool rust_ipvs_helper_skb_pull_l3(struct sk_buff *skb, unsigned int len);
bool rust_ipvs_helper_skb_strip(struct sk_buff *skb, unsigned int len);
bool rust_ipvs_helper_skb_writable_l3(struct sk_buff *skb, unsigned int len);
bool rust_ipvs_helper_skb_partial(const struct sk_buff *skb);
void rust_ipvs_helper_skb_sum_changed(struct sk_buff *skb);
bool rust_ipvs_helper_skb_sum_unneeded(const struct sk_buff *skb);
bool rust_ipvs_helper_skb_sums_to_zero(const struct sk_buff *skb, unsigned int at);
bool rust_ipvs_helper_skb_add_room(struct sk_buff *skb, unsigned int extra);
bool rust_ipvs_helper_skb_set_len(struct sk_buff *skb, unsigned int len);
bool rust_ipvs_helper_skb_is_gso(const struct sk_buff *skb);
bool rust_ipvs_helper_skb_gso_fits(const struct sk_buff *skb, unsigned int mtu);
unsigned int rust_ipvs_helper_skb_frag_max(const struct sk_buff *skb, u8 pf);
void rust_ipvs_helper_kfree_skb(struct sk_buff *skb);
void rust_ipvs_helper_consume_skb(struct sk_buff *skb);
void rust_ipvs_helper_kfree_skb_reason(struct sk_buff *skb, unsigned int reason);
void rust_ipvs_helper_skb_set_dst_noref(struct sk_buff *skb, struct dst_entry *dst);
void rust_ipvs_helper_skb_set_dst(struct sk_buff *skb, struct dst_entry *dst);
void rust_ipvs_helper_skb_forwardable(struct sk_buff *skb);
void rust_ipvs_helper_output_v4(struct net *net, struct sk_buff *skb, const void *owner);
void rust_ipvs_helper_output_v6(struct net *net, struct sk_buff *skb, const void *owner);
void rust_ipvs_helper_icmp_send(struct sk_buff *skb, int type, int code, u32 info);
void rust_ipvs_helper_icmpv6_send(struct sk_buff *skb, u8 type, u8 code, u32 info);
void rust_ipvs_helper_update_pmtu_v6(struct sk_buff *skb, struct net *net, u32 mtu);
bool rust_ipvs_helper_skb_change_family(struct sk_buff *skb, struct net *net, u8 family);
void rust_ipvs_helper_link_failure(struct sk_buff *skb);
void rust_ipvs_helper_skb_orphan(struct sk_buff *skb);
void rust_ipvs_helper_skb_update_pmtu(struct sk_buff *skb, unsigned int mtu);
int rust_ipvs_helper_ip_defrag(struct net *net, struct sk_buff *skb, unsigned int hook);
int rust_ipvs_helper_ip6_defrag(struct net *net, struct sk_buff *skb, unsigned int hook);
int rust_ipvs_helper_me_harder_v4(struct net *net, struct sk_buff *skb);
int rust_ipvs_helper_me_harder_v6(struct net *net, struct sk_buff *skb);
bool rust_ipvs_helper_source_matters(const struct net *net, u8 pf);

/* kapi/conntrack.rs, kapi/conntrack/again.rs, kapi/conntrack/related.rs */
bool rust_ipvs_helper_skb_is_tracked(const struct sk_buff *skb);
struct nf_conn *rust_ipvs_helper_skb_ct(const struct sk_buff *skb, unsigned int *info);
void rust_ipvs_helper_skb_untrack(struct sk_buff *skb);
void rust_ipvs_helper_skb_reset_ct(struct sk_buff *skb);
bool rust_ipvs_helper_skb_confirm(struct sk_buff *skb);
bool rust_ipvs_helper_ct_is_confirmed(const struct nf_conn *ct);
bool rust_ipvs_helper_ct_is_dying(const struct nf_conn *ct);
const struct nf_conntrack_tuple *rust_ipvs_helper_ct_tuple(const struct nf_conn *ct, u8 direction);
void rust_ipvs_helper_ct_alter_reply(struct nf_conn *ct, const struct nf_conntrack_tuple *reply);
bool rust_ipvs_helper_ct_add_seqadj(struct nf_conn *ct);
bool rust_ipvs_helper_ct_add_help(struct nf_conn *ct);
bool rust_ipvs_helper_ct_shift_seq(struct nf_conn *ct, unsigned int info, u32 seq, s32 shift);
struct nf_conntrack_expect *
rust_ipvs_helper_ct_expect(struct nf_conn *ct, const struct nf_conntrack_tuple *tuple,
			   unsigned int seconds);
int rust_ipvs_helper_ct_expect_related(struct nf_conntrack_expect *expect);
void rust_ipvs_helper_ct_expect_put(struct nf_conntrack_expect *expect);
void rust_ipvs_helper_ct_unexpect(struct nf_conn *ct, const struct nf_conntrack_tuple *tuple);
bool rust_ipvs_helper_ct_kill(struct nf_conn *ct);
void rust_ipvs_helper_ct_put(struct nf_conn *ct);
struct nf_conn *rust_ipvs_helper_ct_find_get(struct net *net,
					     const struct nf_conntrack_tuple *tuple);
int rust_ipvs_helper_ct_netns_get(struct net *net, u8 pf);
void rust_ipvs_helper_ct_netns_put(struct net *net, u8 pf);
typedef int (*rust_ipvs_okfn)(struct net *net, struct sock *sk, struct sk_buff *skb);
void rust_ipvs_helper_skb_come_again(struct net *net, struct sk_buff *skb, u8 pf,
				     rust_ipvs_okfn then);
void rust_ipvs_helper_skb_leave_again(struct net *net, struct sk_buff *skb, u8 pf,
				      rust_ipvs_okfn then);
int rust_ipvs_helper_skb_route_in(struct sk_buff *skb);
int rust_ipvs_helper_dst_output(struct net *net, struct sock *sk, struct sk_buff *skb);

/* kapi/skbuff/tunnel.rs */
bool rust_ipvs_helper_skb_is_plain(const struct sk_buff *skb);
u16 rust_ipvs_helper_skb_segments(const struct sk_buff *skb);
int rust_ipvs_helper_skb_sum_start(const struct sk_buff *skb);
u16 rust_ipvs_helper_skb_sum_field(const struct sk_buff *skb);
bool rust_ipvs_helper_skb_make_room(struct sk_buff *skb, unsigned int header,
				    const struct dst_entry *dst);
void rust_ipvs_helper_skb_wrap_plain(struct sk_buff *skb);
void rust_ipvs_helper_skb_set_inner(struct sk_buff *skb, u8 protocol);
void rust_ipvs_helper_skb_remote_sum(struct sk_buff *skb);
u8 *rust_ipvs_helper_skb_push(struct sk_buff *skb, unsigned int len);
void rust_ipvs_helper_skb_transport_here(struct sk_buff *skb);
void rust_ipvs_helper_skb_transport_is_network(struct sk_buff *skb);
void rust_ipvs_helper_udp6_set_csum(bool nocheck, struct sk_buff *skb,
				    const struct in6_addr *saddr, const struct in6_addr *daddr,
				    int len);
void rust_ipvs_helper_skb_push_gre(struct sk_buff *skb, u16 proto, bool csum);
void rust_ipvs_helper_local_ports(const struct net *net, int *low, int *high);
u8 *rust_ipvs_helper_skb_push_outer(struct sk_buff *skb, unsigned int len);
void rust_ipvs_helper_skb_clear_cb(struct sk_buff *skb);
void rust_ipvs_helper_local_out_v4(struct net *net, struct sk_buff *skb, const void *owner);
void rust_ipvs_helper_local_out_v6(struct net *net, struct sk_buff *skb, const void *owner);

/* kapi/route.rs */
struct dst_entry *rust_ipvs_helper_route_v4(struct net *net, __be32 daddr, bool direct,
					    bool source, __be32 *saddr);
struct dst_entry *rust_ipvs_helper_route_v6(struct net *net, const struct in6_addr *daddr,
					    bool direct, bool source, struct in6_addr *saddr);
bool rust_ipvs_helper_dst_valid(struct dst_entry *dst, u32 cookie);
u32 rust_ipvs_helper_dst_cookie(struct dst_entry *dst, u8 pf);
bool rust_ipvs_helper_dst_is_local(const struct dst_entry *dst, u8 pf);
u32 rust_ipvs_helper_dst_mtu(const struct dst_entry *dst);
bool rust_ipvs_helper_dst_is_same(const struct dst_entry *a, const struct dst_entry *b, u8 pf);
u32 rust_ipvs_helper_forward_mtu(const struct dst_entry *dst, u8 pf);
bool rust_ipvs_helper_dst_is_in_vrf(const struct dst_entry *dst);

/* kapi/genetlink.rs */
struct net *rust_ipvs_helper_genl_info_net(const struct genl_info *info);
int rust_ipvs_helper_genlmsg_reply(struct sk_buff *skb, struct genl_info *info);
u8 *rust_ipvs_helper_skb_tail(const struct sk_buff *skb);
unsigned int rust_ipvs_helper_skb_tailroom(const struct sk_buff *skb);
int rust_ipvs_helper_genl_has_listeners(const struct genl_family *family, struct net *net,
					unsigned int group);
int rust_ipvs_helper_genlmsg_multicast_netns(const struct genl_family *family, struct net *net,
					     struct sk_buff *skb, unsigned int group);

/* kapi/sockopt.rs */
struct net *rust_ipvs_helper_sock_net(const struct sock *sk);
int rust_ipvs_helper_copy_from_sockptr(void *to, const sockptr_t *from, size_t length);

/* kapi/procfs.rs */
void *rust_ipvs_helper_seq_file_data(struct seq_file *seq);

/* kapi/tcp.rs */
void rust_ipvs_helper_tcp_send_v4(struct net *net, __be32 saddr, __be32 daddr, __be16 sport,
				  __be16 dport, u32 seq, u32 ack, bool has_ack, bool is_rst);
void rust_ipvs_helper_tcp_send_v6(struct net *net, const struct in6_addr *saddr,
				  const struct in6_addr *daddr, __be16 sport, __be16 dport, u32 seq,
				  u32 ack, bool has_ack, bool is_rst);
bool rust_ipvs_helper_tcp_make_rst(struct sk_buff *skb, unsigned int l4, u8 pf);

#endif
