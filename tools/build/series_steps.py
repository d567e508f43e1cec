# SPDX-License-Identifier: GPL-2.0
"""The patches that series.py writes: each with its message and the patterns of its files.

A file belongs to the first patch with a pattern of it. Files that list others (module roots,
helpers.c, helpers.h, Makefile of the selftests, MAINTAINERS) grow with each patch by themselves.
"""

from dataclasses import dataclass

PLACE = "net/netfilter/rust_ipvs"
SELFTESTS = "tools/testing/selftests/net/netfilter/ipvs_rs"
DOCUMENTS = "Documentation/networking/ipvs-rs"


@dataclass
class Step:
    """A patch: subject, body, patterns of the files that it adds or changes."""

    subject: str
    body: str
    files: list
    # Left out if the tree has no such file, or has it already.
    optional: bool = False


@dataclass
class Series:
    """Patches that are sent at once: folder, subject and text of the cover letter."""

    name: str
    subject: str
    cover: str
    steps: list


# Methods that a file calls before the patch that adds them: in which file they stand in, until
# which file is there, their text.
STUBS = [
    (
        "director/netns.rs",
        "director/datapath.rs",
        """impl NetnsIpvs {
    // Hooks come with a later patch.
    pub(crate) fn fit_hooks(&self) -> Result {
        Ok(())
    }
}
""",
    ),
    (
        "director/netns.rs",
        "director/admin.rs",
        """impl NetnsIpvs {
    // Services are added and deleted by a later patch.
    pub(crate) fn flush_for_good(&self) {}
}
""",
    ),
    (
        "director/datapath.rs",
        "director/datapath/fast.rs",
        """impl super::netns::NetnsIpvs {
    // The fast path comes with the next patch.
    fn open_fast_path(
        self: &kernel::sync::Arc<Self>,
        _config: &mut super::netns::ConfigState,
    ) -> kernel::error::Result {
        Ok(())
    }
}
""",
    ),
]


def module(patterns):
    return [f"{PLACE}/{pattern}" for pattern in patterns.split()]


def rust(layer, names):
    """Files of a layer by their names; "conn/" is all of a folder."""
    return [
        f"{PLACE}/{layer}/{name}" + ("*" if name.endswith("/") else ".rs") for name in names.split()
    ]


def helpers(names):
    return [f"{PLACE}/helpers/{name}.c" for name in names.split()]


def selftests(names):
    return [
        f"{SELFTESTS}/{name}" + ("*" if name.endswith("/") else ".py") for name in names.split()
    ]


PACKETS = Series(
    "packets",
    "netfilter: rust_ipvs: packets, states, schedulers, messages",
    """
    This is the first of four series that add IPVS written in Rust: a module
    that replaces ip_vs with the same netlink family, socket options, /proc
    files and sysctls, so that ipvsadm, keepalived and kube-proxy configure it
    unchanged. The C implementation stays. Only one of the two can be loaded.

    Why another implementation: it parses packets from the network and keeps
    connections under RCU, which is where memory safety pays, and a packet of
    an established connection takes no lock, no reference count and no atomic
    read-modify-write operation.

      1. packets, states, schedulers and messages (this one). This code
         needs no kernel: it uses the core crate only, never panics whatever
         the bytes are, and its unit tests also run on the host.
      2. abstractions of kernel interfaces that the kernel crate lacks, the
         only unsafe code of the module. Each could move to rust/kernel.
      3. the load balancer and its user interfaces.
      4. selftests, the YNL specification, documents.

    Each patch builds. The module does nothing until the third series is
    complete; until then its main.rs allows dead code. The tests come last
    because they need all of the module; unit tests are in the files that
    they test (CONFIG_RUST_IPVS_KUNIT_TEST).

    The first two patches change C: the module needs a field of sk_buff and
    the declaration of an exported function.
    """,
    [
        Step(
            "ipvs: uapi: add attributes of rust_ipvs",
            """
            rust_ipvs has attributes that C IPVS lacks. Reserve their numbers in the header that
            both share, so that neither uses them for something else. C IPVS ignores attributes that
            it does not know.
            """,
            ["include/uapi/linux/ip_vs.h"],
            optional=True,
        ),
        Step(
            "net: keep ipvs_property with either IPVS",
            """
            The bit ipvs_property of struct sk_buff marks packets that a load balancer has handled,
            so that its hooks let them pass. It exists, and is copied to fragments, only with
            CONFIG_IP_VS. A second implementation needs it, too, also in a kernel that is built
            without the first.

            CONFIG_RUST_IPVS comes with a later patch; until then nothing changes.
            """,
            ["include/linux/skbuff.h", "net/ipv4/ip_output.c"],
        ),
        Step(
            "netfilter: nf_queue: declare nf_queue_nf_hook_drop() for modules",
            """
            nf_queue_nf_hook_drop() is exported, because nf_conntrack may be a module, but declared
            in a header of net/netfilter only. rust_ipvs calls it before the state of a network
            namespace goes: packets that wait for userspace may return to a hook that uses this
            state.

            Move the declaration to the public header, beside those of the other functions of
            nf_queue.c. No functional change.
            """,
            [
                "include/net/netfilter/nf_queue.h",
                "net/netfilter/nf_internals.h",
                "net/netfilter/nf_conntrack_core.c",
                "net/netfilter/nft_ct.c",
            ],
        ),
        Step(
            "netfilter: rust_ipvs: add the skeleton of a module",
            """
            Add Kconfig, Makefile, and a module that does nothing yet.

            The bindings are the module's own, since rust/bindings has none of netfilter and
            routing. They are meant to move there with the abstractions that use them. bindgen reads
            helpers.h as well; later patches add C functions to it, around inline functions and
            macros of kernel headers. With INLINE=1 on the command line of make these are linked as
            bitcode, so that they are inlined: each packet calls about a dozen.

            IP_VS=y excludes the module, because both register the same netlink family when they
            start. As modules, both can be built.
            """,
            module("Kconfig Makefile main.rs bindings/* helpers.c helpers.h")
            + ["net/netfilter/Kconfig", "net/netfilter/Makefile", "MAINTAINERS"],
        ),
        Step(
            "netfilter: rust_ipvs: add addresses, checksums and flow hashes",
            """
            Code for IPv4 and IPv6 is written once, generic over the trait Family. An entry has
            exactly the size of its family, and no test of the family remains at run time.

            The hash of a flow is the same in both directions, so one look-up finds out if a packet
            is a request, a reply or neither. It is keyed; hash.rs argues why a multilinear hash
            suffices here. Checksums are updated by the difference of the words that change
            (RFC 1624).
            """,
            module("logic.rs")
            + rust(
                "logic",
                "direction checksum crc32c hash nlattr uapi config drain family own_options reason",
            ),
        ),
        Step(
            "netfilter: rust_ipvs: add the state machines of TCP, UDP and SCTP",
            """
            The tables are those of C IPVS, row by row, including the states of secure_tcp. Their
            timeouts and what a state means for the counts of active and inactive connections are
            visible to administrators, so they have to be the same.
            """,
            rust("logic", "packet reset tcp udp sctp"),
        ),
        Step(
            "netfilter: rust_ipvs: parse and rewrite IPv4 and IPv6",
            """
            Parse headers, with options and extension headers, and translate addresses and ports in
            them. Parsers take slices and return options: truncated and malformed packets are
            ordinary results, and indexing, unwrap() and overflow are denied by lints.
            """,
            rust("logic", "rewrite v4 v6 tracking"),
        ),
        Step(
            "netfilter: rust_ipvs: translate ICMP errors and tunnel headers",
            """
            An ICMP error quotes a packet of a connection in the other direction. Both the error and
            the quote have to be translated, also if the quote is truncated and if the error is
            about a tunnel of this host.

            Add the headers of IPIP, GUE and GRE. GUE carries the offset of a checksum that was
            offloaded (remote checksum offload), as in C IPVS.
            """,
            rust("logic", "icmp icmp/ ipip gre gue"),
        ),
        Step(
            "netfilter: rust_ipvs: add schedulers by turn, weight and load",
            """
            Add rr, wrr, lc, wlc, fo and ovf, each in one file and one row of a table. A scheduler
            sees a service through the trait View, so its tests need no kernel: a model of a service
            suffices.

            The position of rr and wrr is one word that is updated by compare and exchange. wrr
            passes the list at most six times for a choice, while C IPVS passes it once for each
            step of the weight.
            """,
            rust(
                "logic",
                "sched sched/algorithm sched/cycle sched/flow sched/position sched/slots sched/rr "
                "sched/wrr sched/lc sched/wlc sched/fo sched/ovf",
            ),
        ),
        Step(
            "netfilter: rust_ipvs: add schedulers by hash and by delay",
            """
            Add dh, sh, mh, lblc, lblcr, sed, nq and twos. dh, sh and mh choose the same destination
            as C IPVS for the same client and the same list of destinations, bit by bit, so that
            directors of both kinds may serve one address by ECMP.

            The tables of dh, sh and mh are filled when destinations change, not in the path of a
            packet.
            """,
            rust("logic", "sched/"),
        ),
        Step(
            "netfilter: rust_ipvs: add persistence and the FTP parser",
            """
            Add the keys of connection templates, in the four forms that C IPVS has (by port, for
            FTP, for all ports, by firewall mark), the persistence engine sip, and the parser and
            rewriter of FTP commands and replies.

            A client announces where it listens (PORT, EPRT), or a server does (227, 229). An
            incomplete line is ignored, as in C IPVS, and so is everything else.
            """,
            rust("logic", "ftp persistence engine sip payload"),
        ),
        Step(
            "netfilter: rust_ipvs: add timers, table sizes, rates and defenses",
            """
            Add the arithmetic of the timer wheel, of the sizes of hash tables, of rate estimation
            and of the defense levels. All of it takes the time as an argument, so tests do not
            wait.

            Rates are computed when they are read, from the time of the previous reading. Read every
            two seconds, they are those of the estimator of C IPVS. Nothing runs in the background
            for them.
            """,
            rust("logic", "wheel sizing status estimator defense"),
        ),
        Step(
            "netfilter: rust_ipvs: read and write sync messages",
            """
            Add the messages by which a master director tells backups about connections, versions 0
            and 1, and the decision when an entry is sent. They are read from and sent to C IPVS, so
            formats, limits and the handling of malformed entries are the same.
            """,
            rust("logic", "sync sync/"),
        ),
        Step(
            "netfilter: rust_ipvs: parse netlink requests",
            """
            Parse the attributes of services and destinations, with the same checks in the same
            order as C IPVS, since an administrator sees by the errno which one failed. An error
            carries a text for extended acknowledgments.

            Unknown attributes are ignored, as in C IPVS, so that newer tools work.

            Also parse the requests of RIPVS, a family of our own for what C IPVS does not have:
            several changes that are made together or not at all. It cannot clash with numbers that
            the family IPVS gets later. Its attributes are read strictly.
            """,
            rust("logic", "request request/ ripvs ripvs/"),
        ),
        Step(
            "netfilter: rust_ipvs: add socket options, /proc lines and the match",
            """
            Add the structs of the socket options, which keepalived and old ipvsadm use, the lines
            of the /proc files, and the options of the iptables match. Lengths and errors are those
            of C IPVS, and so is each byte of the lines, which tools parse.
            """,
            rust("logic", "sockopt sockopt/ show xt_match"),
        ),
    ],
)

KAPI = Series(
    "kapi",
    "netfilter: rust_ipvs: abstractions of kernel interfaces",
    """
    This is the second of four series that add IPVS written in Rust. It adds
    safe abstractions of what the kernel crate lacks: RCU-protected values and
    tables, sk_buff, routes, netfilter hooks, conntrack, generic netlink,
    socket options, /proc and sysctl.

    All unsafe code of the module is here. None of it knows load balancing,
    and each file could move to rust/kernel; they are in this folder as long
    as they have one user. Each names its C header, its contexts, invariants
    and contracts, and general ones have an example that is compiled.

    Where the kernel crate has an abstraction that suffices (Atomic, barriers,
    Arc, Mutex, the RCU read lock), it is used; a file that resembles one says
    what that one lacks.
    """,
    [
        Step(
            "netfilter: rust_ipvs: add cells, locks, random numbers and time",
            """
            Add the small abstractions that the next patches need: a value that is set once and read
            without a lock, a spinlock that disables bottom halves, siphash, random numbers, jiffies
            and lists of CPUs.

            kernel::sync::SpinLock cannot be taken in process context if a softirq takes it, too;
            the lock type of this patch always disables softirqs.
            """,
            module("bindings.rs kapi.rs")
            + rust("kapi", "once bh time seqcount serial random siphash cpus memory")
            + helpers("core cpus memory"),
        ),
        Step(
            "netfilter: rust_ipvs: add works, threads and a reclaimer",
            """
            A periodic work owns a closure. Dropping it waits for a run that is under way, so a
            module that has dropped its works can be unloaded. kernel::workqueue gives each run a
            reference to its owner, and cannot cancel.

            RCU callbacks should take some microseconds at most. The reclaimer drops large objects
            in process context after their grace period.

            Add kthreads with a flag that wakes them, and a module notifier by which a module
            refuses another one.
            """,
            rust("kapi", "work thread reclaim modules") + helpers("work thread modules"),
        ),
        Step(
            "netfilter: rust_ipvs: add RCU pointers, slabs and per-CPU counters",
            """
            A value behind an RCU pointer is read under rcu::Guard, whose lifetime bounds the
            reference, and freed after a grace period. RcuArc adds a reference count that readers
            may take (refcount_inc_not_zero). RcuSlots is an array in which slots are published one
            by one.

            Per-CPU counters are allocated for many objects at a time, because the smallest per-CPU
            allocation costs far more than a counter.
            """,
            rust("kapi", "rcu shared rcu_slots slab percpu percpu/"),
        ),
        Step(
            "netfilter: rust_ipvs: add a hash table with a timer wheel",
            """
            Connections are found and expire much more often than anything else happens to them. In
            this table readers take no lock and write nothing. An entry is in one or two chains and
            in a slot of a timer wheel, and inserting it takes the lock of one of a few shards for
            both.

            rhashtable does not fit: an entry would need a timer of its own, and be in one chain
            only. The module's documentation states which barriers readers rely on.
            """,
            rust(
                "kapi",
                "table table/buckets table/control_ref table/entry table/shards table/sizes "
                "table/slot_list table/locks table/walk",
            ),
        ),
        Step(
            "netfilter: rust_ipvs: insert into tables, resize and expire them",
            """
            Entries are inserted under the lock of a shard, and found without one.
            Resize the table while packets pass, in steps below a millisecond. The comments argue
            why no reader misses an entry that is moved. If a chain grows too long for its load,
            somebody knows the hash key: move all entries to an array with another one.

            Expiry and walks keep their place in a table that is resized meanwhile.
            """,
            rust("kapi", "table/"),
        ),
        Step(
            "netfilter: rust_ipvs: add network namespaces and devices",
            """
            Add the state that a module has in each namespace (pernet operations), a reference to a
            namespace that pre_exit clears, and notifiers of devices and of routes.

            What is registered in a namespace holds a lease of it, and its teardown waits until all
            leases are gone. Works hold none: they find the namespace only while it is there.
            """,
            rust("kapi", "net inet devices routes") + helpers("net devices"),
        ),
        Step(
            "netfilter: rust_ipvs: add socket buffers and routes",
            """
            A packet is a value. Sending, queueing and dropping it consume it, so it cannot be used
            afterwards. Headers are read as slices whose lifetime ends when the packet is changed,
            because skb_ensure_writable() and its like may move the data.

            A route is checked with its cookie before each use and dropped with its device.
            """,
            rust("kapi", "skbuff skbuff/end skbuff/discard skbuff/icmp route tcp")
            + helpers("skbuff route tcp"),
        ),
        Step(
            "netfilter: rust_ipvs: add hooks and matches",
            """
            A hook receives its packet by value and returns it with NF_ACCEPT only, so a packet that
            was sent cannot be accepted as well. One that is neither returned nor stored is freed.

            Hooks belong to a namespace, whose teardown waits until they are unregistered. Add
            matches of x_tables, which answer a question about a borrowed packet.
            """,
            rust("kapi", "netfilter xtables"),
        ),
        Step(
            "netfilter: rust_ipvs: wrap packets in tunnels",
            """
            Add room for outer headers, offloads of encapsulated packets and the checksums of GUE
            and GRE. The plain case (no offload pending, the outer family is the inner one) is
            inlined.
            """,
            rust("kapi", "skbuff/tunnel") + helpers("tunnel"),
        ),
        Step(
            "netfilter: rust_ipvs: add connection tracking",
            """
            Alter the reply tuple of an unconfirmed entry, find and delete entries, expect related
            connections and adjust sequence numbers. It is compiled without CONFIG_NF_CONNTRACK,
            too; no packet carries an entry then.
            """,
            rust("kapi", "conntrack conntrack/") + helpers("conntrack"),
        ),
        Step(
            "netfilter: rust_ipvs: take packets at the ingress of a device",
            """
            Add a hook at the ingress of a device, and what a packet needs that leaves from there
            without routing: the checks of ip_rcv() and ip_forward(), the neighbour, and the
            question whether other hooks or policies would have seen the packet.
            """,
            rust("kapi", "ingress ingress/") + helpers("ingress"),
        ),
        Step(
            "netfilter: rust_ipvs: add generic netlink families",
            """
            Add families with commands (Doit), dumps that resume (Dumpit), policies, and extended
            acknowledgments. kernel::net::netlink has families that send to multicast groups, but
            no handlers of commands, no policies and no answers.
            """,
            rust("kapi", "genetlink genetlink/") + helpers("genetlink"),
        ),
        Step(
            "netfilter: rust_ipvs: add socket options, /proc files and sysctls",
            """
            The user interfaces of IPVS that predate netlink. Files and sysctls are registered per
            namespace; removing them waits for those who read them.
            """,
            rust("kapi", "sockopt procfs sysctl") + helpers("sockopt procfs"),
        ),
        Step(
            "netfilter: rust_ipvs: add UDP sockets of the kernel",
            """
            The sync daemons send and receive multicast datagrams. Groups and interfaces are set by
            the options of setsockopt(), so no internal function of the IP layer is needed. The
            teardown of a namespace waits until its sockets are closed.
            """,
            rust("kapi", "datagram") + helpers("datagram"),
        ),
    ],
)

DIRECTOR = Series(
    "director",
    "netfilter: rust_ipvs: load balancer and user interfaces",
    """
    This is the third of four series that add IPVS written in Rust. It adds
    the load balancer itself, a folder for each subject, and its user
    interfaces. There is no unsafe code in it.

    The folders depend on each other in one direction, and each patch adds
    what only depends on earlier ones: destinations, connections, services,
    sync, the state of a namespace, transmitters, FTP, ICMP, the hooks,
    requests of administrators. Three methods that are called before the patch
    that adds them are empty until then. The last patch registers everything.
    """,
    [
        Step(
            "netfilter: rust_ipvs: add destinations",
            """
            A destination has its counters, the numbers of its active and inactive connections, and
            its cached route. It counts per CPU; a service's counters are sums over its
            destinations, so a packet counts once.

            A deleted destination stays in the trash for two to four minutes, as in C IPVS: if it is
            added again, it gets its connections back.
            """,
            rust("director", "dest dest/") + module("director.rs"),
        ),
        Step(
            "netfilter: rust_ipvs: add connections",
            """
            A connection is 128 bytes in IPv4, of which a packet reads the first cache line. It has
            no timer and no reference count: the wheel's work compares the time of the last packet
            with the timeout, and RCU frees it.

            State, flags and counts of packets are one word, status.rs. Two CPUs may change it at
            the same time; the comments there say which of the two wins.
            """,
            rust(
                "director",
                "conn conn/app conn/clock conn/engine_data conn/family conn/status conn/sync_state "
                "conn/timeouts conn/word_pair",
            ),
        ),
        Step(
            "netfilter: rust_ipvs: add the connection table",
            """
            ConnTable owns keys, hashes, insertion, re-arming and removal; nothing else touches the
            hash table below it. Templates are in the same table under keys that no packet has.

            Add what else belongs to a connection: data connections of FTP without a client port,
            conntrack entries, and connections that a master has sent.
            """,
            rust("director", "conn/"),
        ),
        Step(
            "netfilter: rust_ipvs: add services",
            """
            A service publishes a snapshot behind one RCU pointer: options, destinations and the
            state of its scheduler. An edit replaces it, so a packet sees the state before or after
            the edit, and a service is never without a scheduler. Memory is allocated before
            anything is changed, so no edit fails half-way.
            """,
            rust("director", "service service/"),
        ),
        Step(
            "netfilter: rust_ipvs: add sync daemons",
            """
            Add the master, which queues entries for its threads, and the backup, which inserts
            connections that it receives. A packet never waits for the network: it copies its entry
            under the lock of the queue, and drops it if the queue is full.

            The daemons use the state of their namespace through a trait, since that state has the
            daemons.
            """,
            rust("director", "sync sync/"),
        ),
        Step(
            "netfilter: rust_ipvs: add the state of a network namespace",
            """
            Add the state with its set-up and teardown, sysctls, and the works that expire
            connections, resize tables, empty the trash and update the defense level.

            Nothing is queued if nothing can be due: an idle namespace causes no wake-ups. Teardown
            unregisters hooks, waits for packets in them, and then frees what they used.
            """,
            rust("director", "netns netns/"),
        ),
        Step(
            "netfilter: rust_ipvs: add the transmitters",
            """
            Forward by NAT, by direct routing, or through a tunnel; deliver to this host; bypass.
            Each is one file around a common preamble: route, TTL, MTU, conntrack.
            """,
            rust("director", "packet packet/ xmit xmit/"),
        ),
        Step(
            "netfilter: rust_ipvs: add the FTP helper",
            """
            Expect the data connections that control connections announce, active and passive, and
            rewrite the addresses in them. Only packets of control connections come here: a bit of
            the connection's status leads to it.
            """,
            rust("director", "ftp ftp/"),
        ),
        Step(
            "netfilter: rust_ipvs: handle ICMP errors",
            """
            Look up the quoted packet and translate the error to the other side of the connection.
            An error about a tunnel quotes an outer packet of this host; the client gets one about
            the inner packet, with the MTU that remains.
            """,
            rust("director", "icmp icmp/"),
        ),
        Step(
            "netfilter: rust_ipvs: add the hooks, scheduling and replies",
            """
            Parse a packet once, hash it once and look it up once; then it is a request or a reply
            of a known connection, or begins one, or is none of ours. LOCAL_IN, LOCAL_OUT and
            FORWARD run the same function with other parameters.

            The state machine is not called for a packet that cannot change the state.
            """,
            [
                f"{PLACE}/director/datapath{name}.rs"
                for name in ["", *(f"/{n}" for n in (
                    "conn_out hooks no_cport persistence register reply reuse schedule state"
                ).split())]
            ],
        ),
        Step(
            "netfilter: rust_ipvs: take established connections before routing",
            """
            A packet that continues a connection needs no routing decision: the connection's route
            is known. Take it at the ingress of its device if no hook, rule or policy of others
            would see it there or later (net.ipv4.vs.fast_path=1), or in any case (2).

            What is not plain in every respect goes the way it goes without this patch, unchanged.
            """,
            rust("director", "datapath/"),
        ),
        Step(
            "netfilter: rust_ipvs: carry out requests of administrators",
            """
            Add, edit and delete services and destinations; zero counters; dump; start and stop
            daemons; answer the match of iptables. All changes take the configuration mutex of the
            namespace. A dump resumes at a bookmark at constant cost, because tables are ordered by
            hash whatever their size.
            """,
            rust(
                "director",
                "admin admin/config admin/daemons admin/dump admin/select admin/stats admin/xt_match",
            ),
        ),
        Step(
            "netfilter: rust_ipvs: make several changes at once, or none",
            """
            Plan a list of changes, prepare all memory and objects that they need, then publish
            them. Only the last of the three has effects, and it does not fail. A dump of everything
            reports if the configuration changed meanwhile.
            """,
            rust("director", "admin/"),
        ),
        Step(
            "netfilter: rust_ipvs: answer the netlink families",
            """
            Add the commands of the family IPVS with the numbers, formats and errors of C IPVS, and
            those of RIPVS. Each command is one type; nothing is decided here. The files are
            compiled from the next patch on, which registers them.
            """,
            rust("control", "errno genl genl/ ripvs ripvs/"),
        ),
        Step(
            "netfilter: rust_ipvs: add the other interfaces and register all",
            """
            Add socket options, /proc files, sysctls and the match of iptables, with the formats of
            C IPVS, to the byte. The module is complete: it registers its interfaces when it is
            loaded, and hooks with the first service.

            Only one of ip_vs and rust_ipvs can be loaded, because both have the same netlink family
            and files. A module notifier refuses ip_vs while this one is loaded.
            """,
            module("*"),
        ),
    ],
)

TESTS = Series(
    "tests",
    "netfilter: rust_ipvs: selftests, specification, documents",
    """
    This is the last of four series that add IPVS written in Rust. It adds
    selftests, a YNL specification of the netlink family, and documents.

    The selftests make their own network of namespaces, report TAP, and pass
    on C IPVS, too (IPVS_IMPL=c), but for the cases that say so. Their titles
    cite the statements of behaviour.rst, which describes C IPVS and thus both
    implementations; differences.rst lists where this one departs.

    The specification describes both.
    """,
    [
        Step(
            "selftests: netfilter: rust_ipvs: add a harness",
            """
            The harness makes clients, a director and servers of network namespaces, sends and
            captures frames, speaks the netlink family and the sync protocol, and reports TAP. A
            test fails if the kernel log has a warning.

            It is Python without further packages. Starting programs such as curl takes most of the
            time of a test in an emulated guest, so clients and servers are sockets of the test.
            """,
            [f"{SELFTESTS}/lib.sh", f"{SELFTESTS}/config", f"{SELFTESTS}/settings"]
            + [f"{SELFTESTS}/Makefile", "tools/testing/selftests/Makefile"]
            + selftests(
                "harness/__init__ harness/abi harness/clients harness/fixture harness/flows "
                "harness/ipvs harness/links harness/module harness/netlink harness/netns "
                "harness/packet harness/protocol harness/routes harness/servers harness/spaces "
                "harness/tap hooks"
            ),
        ),
        Step(
            "selftests: netfilter: rust_ipvs: add peers and models to the harness",
            """
            Add what single subjects need: an FTP server and client with every data mode, a sync
            daemon, a model of the configuration, keepalived, web servers, conntrack entries, fault
            injection.
            """,
            [f"{SELFTESTS}/harness/*"],
        ),
        Step(
            "selftests: netfilter: rust_ipvs: test forwarding",
            """
            NAT, direct routing and tunnels, IPv4, IPv6 and mixed, byte by byte: TTL, MTU,
            checksums, fragments, offloads, IP options and extension headers.
            """,
            selftests("forwarding transmit tunnels headers6 options"),
        ),
        Step(
            "selftests: netfilter: rust_ipvs: test services and schedulers",
            """
            Which service takes a packet, which destination a scheduler chooses while destinations
            change, limits, and what happens to connections of services and destinations that are
            edited or deleted.
            """,
            selftests("lookup balancing schedulers connections tcp_states single"),
        ),
        Step(
            "selftests: netfilter: rust_ipvs: test persistence",
            """
            Templates in all their forms, their expiry and netmasks, and the engine sip. FTP and web
            clients return to their servers.
            """,
            selftests("persistence persistence_clients sip"),
        ),
        Step(
            "selftests: netfilter: rust_ipvs: test FTP, SCTP, IPsec and ICMP",
            """
            FTP in every data mode, with segments that are lost or repeated; SCTP states and
            checksums; AH and ESP of known key exchanges; ICMP errors in both directions, and path
            MTU discovery.
            """,
            selftests("ftp ftp_sessions sctp esp icmp"),
        ),
        Step(
            "selftests: netfilter: rust_ipvs: test the netlink family",
            """
            Every command and attribute, valid and invalid, with the errno of C IPVS, and random
            mutations of valid requests beside a model of the configuration.
            """,
            selftests("netlink_* ripvs* drain"),
        ),
        Step(
            "selftests: netfilter: rust_ipvs: test socket options and files",
            """
            Socket options of every length, the /proc files and sysctls to the byte, counters and
            rates, and the iptables match.
            """,
            selftests("sockopt proc control_files counters matching"),
        ),
        Step(
            "selftests: netfilter: rust_ipvs: test sync, conntrack and defenses",
            """
            Master and backup with each other and with messages made by the test, malformed ones
            included; conntrack entries and rules by state; defenses; flowtables.
            """,
            selftests("sync daemons conntrack defenses flowtable"),
        ),
        Step(
            "selftests: netfilter: rust_ipvs: test the fast path",
            """
            Which packets are taken at ingress and by which devices, and that odd packets leave the
            same wire, counters and captures behind with it and without.
            """,
            selftests("devices fast_path fast_path_odd"),
        ),
        Step(
            "selftests: netfilter: rust_ipvs: test life cycle and stress",
            """
            Load and unload under traffic, namespaces that come and go, allocations that fail one
            after the other, malformed and random packets, very many objects.
            """,
            [f"{SELFTESTS}/*"],
        ),
        Step(
            "netlink: specs: add specifications of the IPVS families",
            """
            ipvs.yaml describes the generic netlink family of both implementations for the YNL
            tools. The numbers are those of linux/ip_vs.h; services and destinations can be dumped
            and edited by the Python client with it. ripvs.yaml describes the family that only
            rust_ipvs has.
            """,
            ["Documentation/netlink/specs/*"],
        ),
        Step(
            "Documentation: networking: describe the behaviour of IPVS",
            """
            State what IPVS does in numbered sentences, which code and tests cite: look-up,
            persistence, timers, state tables, ICMP, sync, limits and errors. It was written from
            the C implementation and holds for both, but for differences.rst.
            """,
            [f"{DOCUMENTS}/{name}.rst" for name in ("behaviour", "differences", "glossary")],
        ),
        Step(
            "Documentation: networking: describe rust_ipvs",
            """
            Document how to use the module, its interfaces and how it is organised. Figures of costs
            stay with the tools that print them, in the repository of the module.
            """,
            [f"{DOCUMENTS}/*", "Documentation/networking/index.rst"],
        ),
    ],
)

SERIES = [PACKETS, KAPI, DIRECTOR, TESTS]
