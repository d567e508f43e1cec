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
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/sched/isolation.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/swap.h>
#include <linux/tcp.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/addrconf.h>
#include <net/arp.h>
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
#include <net/ndisc.h>
#include <net/neighbour.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/netfilter/nf_queue.h>
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
#error "sk_buff has no ipvs_property: set CONFIG_IP_VS=m, or put rust_ipvs into the kernel tree"
#endif

#include "helpers/core.c"
#include "helpers/cpus.c"
#include "helpers/memory.c"
#include "helpers/devices.c"
#include "helpers/modules.c"
#include "helpers/net.c"
#include "helpers/work.c"
#include "helpers/skbuff.c"
#include "helpers/conntrack.c"
#include "helpers/tunnel.c"
#include "helpers/route.c"
#include "helpers/genetlink.c"
#include "helpers/sockopt.c"
#include "helpers/procfs.c"
#include "helpers/thread.c"
#include "helpers/datagram.c"
#include "helpers/ingress.c"
#include "helpers/tcp.c"
