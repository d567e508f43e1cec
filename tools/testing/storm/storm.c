// SPDX-License-Identifier: GPL-2.0
/*
 * Sends packets of the same few connections from several processors at the same moment.
 *
 * usage: storm DEVICE MAC PACKETS PROCESSORS PORTS SEED   sends so many, and prints how it goes
 *        storm DEVICE MAC end 1 PORTS SEED                aborts every connection that there can be
 *
 * One process for each processor. All of them play the same rounds: a round is a few connections
 * of one service, and each process is one side of them, which opens or closes: client or real
 * server. They begin each round together, so that an answer meets the connection that is just
 * being made, a segment the connection that just ends, and a connection its own successor.
 * storm.py makes the services; the addresses stand in both.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	FLOWS = 8,
	BURST = 2 * FLOWS,
	MOST = 64,
	FRAME = 256,
	CLIENTS = 4,
	SERVERS = 2,
	MOST_PROCESSORS = 64
};
enum { TCP = 6, UDP = 17, SCTP = 132 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { NAT = 1, DR, TUN };

/* The services of each family: VIPs end in their method's number. 81 is persistent, 21 FTP. */
static const struct service {
	uint8_t protocol, method;
	uint16_t port;
} services[] = {
	{ TCP, NAT, 80 },  { TCP, DR, 80 },  { TCP, TUN, 80 },	{ UDP, NAT, 80 },
	{ UDP, DR, 80 },   { UDP, TUN, 80 }, { SCTP, NAT, 80 }, { SCTP, DR, 80 },
	{ SCTP, TUN, 80 }, { TCP, NAT, 81 }, { UDP, DR, 81 },	{ TCP, NAT, 21 },
};
#define SERVICES (sizeof(services) / sizeof(services[0]))

/* What the processes share. Each has a cache line of its own. */
struct process {
	_Alignas(64) atomic_ulong round;
	atomic_ulong sent;
	atomic_ulong refused;
};
static struct process *all;

static unsigned int processors, ports;
static struct sockaddr_ll to = { .sll_family = AF_PACKET };
static uint8_t source[6];

struct frames {
	struct mmsghdr messages[MOST];
	struct iovec pieces[MOST];
	uint8_t bytes[MOST][FRAME];
	unsigned int count;
};

static void die(const char *words)
{
	fprintf(stderr, "storm: %s: %s\n", words, strerror(errno));
	exit(1);
}

/* A number that depends on all bits of another one (the finalizer of splitmix64). */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static uint32_t below(uint64_t *state, uint32_t most)
{
	*state = mix(*state);
	return (uint32_t)(*state >> 32) % most;
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static uint32_t sum(const uint8_t *data, size_t length, uint32_t before)
{
	size_t n;

	for (n = 0; n + 1 < length; n += 2)
		before += data[n] << 8 | data[n + 1];
	return length & 1 ? before + (data[n] << 8) : before;
}

static uint16_t folded(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return ~total;
}

static uint32_t crc32c(const uint8_t *data, size_t length)
{
	static uint32_t table[256];
	uint32_t crc = ~0u;
	size_t n;

	if (!table[1])
		for (n = 0; n < 256; n++) {
			uint32_t word = n;

			for (int bit = 0; bit < 8; bit++)
				word = word >> 1 ^ (word & 1 ? 0x82f63b78 : 0);
			table[n] = word;
		}
	for (n = 0; n < length; n++)
		crc = crc >> 8 ^ table[(crc ^ data[n]) & 255];
	return ~crc;
}

/* One connection as both of its ends see it, and the address of the server that answers. */
struct flow {
	const struct service *service;
	int six;
	uint8_t client, server;
	uint16_t port;
};

enum who { CLIENT, VIP, SERVER };

static void address(uint8_t *at, const struct flow *flow, enum who who)
{
	static const uint8_t nets[] = { [CLIENT] = 0x55, [VIP] = 9, [SERVER] = 0x60 };
	const uint8_t last = who == CLIENT ? flow->client :
			     who == VIP	   ? flow->service->method :
					     flow->server;

	if (flow->six) {
		memset(at, 0, 16);
		at[0] = 0xfd;
		at[3] = nets[who];
		at[15] = last;
	} else {
		at[0] = 10;
		at[1] = who == CLIENT ? 55 : who == SERVER ? 60 : 0;
		at[2] = who == VIP ? 9 : 0;
		at[3] = last;
	}
}

/* Adds a packet of FLOW from one end to the other, with BODY as its transport header and data. */
static void add(struct frames *frames, const struct flow *flow, enum who from, enum who dest,
		const uint8_t *body, size_t length)
{
	uint8_t *frame = frames->bytes[frames->count], *ip = frame + 14,
		*transport = ip + (flow->six ? 40 : 20);
	const uint8_t protocol = flow->service->protocol;
	const size_t bytes = flow->six ? 16 : 4;
	uint8_t *addresses = ip + (flow->six ? 8 : 12);
	uint32_t total;

	memcpy(frame, to.sll_addr, 6);
	memcpy(frame + 6, source, 6);
	put16(frame + 12, flow->six ? 0x86dd : 0x0800);
	memset(ip, 0, transport - ip);
	address(addresses, flow, from);
	address(addresses + bytes, flow, dest);
	if (flow->six) {
		ip[0] = 0x60;
		put16(ip + 4, length);
		ip[6] = protocol;
		ip[7] = 64;
	} else {
		ip[0] = 0x45;
		put16(ip + 2, 20 + length);
		ip[8] = 64;
		ip[9] = protocol;
		put16(ip + 10, folded(sum(ip, 20, 0)));
	}
	memcpy(transport, body, length);
	total = sum(transport, length, sum(addresses, 2 * bytes, protocol + length));
	if (protocol == TCP)
		put16(transport + 16, folded(total));
	else if (protocol == UDP)
		put16(transport + 6, folded(total) ?: 0xffff);
	else {
		uint32_t crc = crc32c(transport, length);

		memcpy(transport + 8, &crc, 4);
	}
	frames->pieces[frames->count].iov_len = transport + length - frame;
	frames->count++;
}

/*
 * A packet of FLOW, by the client or by the server: WHAT is TCP's flags or the chunk of SCTP, TEXT
 * the data of TCP or UDP.
 */
static void say(struct frames *frames, const struct flow *flow, int server, uint8_t what,
		uint16_t own, uint16_t other, const char *text)
{
	const size_t size = text ? strlen(text) : 0;
	uint8_t body[FRAME - 64] = { 0 };
	size_t length = 0;

	put16(body, own);
	put16(body + 2, other);
	switch (flow->service->protocol) {
	case TCP:
		body[7] = body[11] = 1;
		body[12] = 5 << 4;
		body[13] = what;
		body[14] = 16;
		length = 20;
		break;
	case UDP:
		put16(body + 4, 8 + size);
		length = 8;
		break;
	case SCTP:
		body[7] = 1;
		body[12] = what;
		put16(body + 14, 20);
		length = 32;
		break;
	}
	if (size)
		memcpy(body + length, text, size);
	add(frames, flow, server ? SERVER : CLIENT, server ? CLIENT : VIP, body, length + size);
}

static void client(struct frames *frames, const struct flow *flow, uint8_t what)
{
	say(frames, flow, 0, what, flow->port, flow->service->port, NULL);
}

static void server(struct frames *frames, const struct flow *flow, uint8_t what)
{
	say(frames, flow, 1, what, flow->service->port, flow->port, NULL);
}

/* Data connections: announced by the client or the server, and begun by the other one. */
static void ftp(struct frames *frames, const struct flow *flow, int by_server, uint32_t dice)
{
	const uint16_t port = 50000 + flow->port % 64;
	char text[96];

	if (by_server && dice & 1) {
		/* From port 20 to what the client may have announced. */
		say(frames, flow, 1, dice & 2 ? SYN : RST, 20, port, NULL);
		return;
	}
	if (!by_server && dice & 1) {
		say(frames, flow, 0, dice & 2 ? SYN : RST, port + 1, port, NULL);
		return;
	}
	if (by_server && flow->six)
		snprintf(text, sizeof(text), "229 Entering Extended Passive Mode (|||%u|)\r\n",
			 port);
	else if (by_server)
		snprintf(text, sizeof(text), "227 Entering Passive Mode (10,60,0,%u,%u,%u)\r\n",
			 flow->server, port >> 8, port & 255);
	else if (flow->six)
		snprintf(text, sizeof(text), "EPRT |2|fd00:55::%x|%u|\r\n", flow->client, port);
	else
		snprintf(text, sizeof(text), "PORT 10,55,0,%u,%u,%u\r\n", flow->client, port >> 8,
			 port & 255);
	say(frames, flow, by_server, PSH | ACK, by_server ? 21 : flow->port,
	    by_server ? flow->port : 21, text);
}

enum side { OPENS, ANSWERS, CLOSES, ENDS, SIDES };

/* What one side says of a connection in a round. */
static void play(struct frames *frames, struct flow *flow, enum side side, uint64_t *state)
{
	static const uint8_t tcp_of[SIDES][6] = {
		[OPENS] = { SYN, SYN, SYN, ACK, ACK, PSH | ACK },
		[ANSWERS] = { SYN | ACK, SYN | ACK, RST, RST, ACK, FIN | ACK },
		[CLOSES] = { FIN | ACK, FIN | ACK, RST, SYN, ACK, RST | ACK },
		[ENDS] = { FIN | ACK, RST, RST, FIN | ACK, ACK, 0 },
	};
	/* INIT is 1, its ACK 2, COOKIE ECHO 10, its ACK 11; SHUTDOWN 7, 8 and 14, ABORT 6. */
	static const uint8_t sctp_of[SIDES][6] = {
		[OPENS] = { 1, 1, 1, 10, 10, 0 },
		[ANSWERS] = { 2, 2, 6, 6, 11, 0 },
		[CLOSES] = { 7, 8, 14, 6, 1, 6 },
		[ENDS] = { 7, 8, 14, 6, 6, 2 },
	};
	const int by_server = (side == ANSWERS || side == ENDS) && flow->service->method == NAT;
	const uint32_t dice = below(state, 1 << 16);
	uint8_t what = 0;

	if (!by_server && (side == ANSWERS || side == ENDS))
		side = CLOSES;
	flow->server = 11 + below(state, SERVERS);
	if (flow->service->port == 21 && dice & 0x8000) {
		ftp(frames, flow, by_server, dice);
		return;
	}
	if (flow->service->protocol == TCP)
		what = tcp_of[side][dice % 6];
	else if (flow->service->protocol == SCTP)
		what = sctp_of[side][dice % 6];
	(by_server ? server : client)(frames, flow, what);
}

static void set_up(struct frames *frames)
{
	for (unsigned int n = 0; n < MOST; n++) {
		frames->pieces[n].iov_base = frames->bytes[n];
		frames->messages[n].msg_hdr = (struct msghdr){
			.msg_name = &to,
			.msg_namelen = sizeof(to),
			.msg_iov = &frames->pieces[n],
			.msg_iovlen = 1,
		};
	}
}

/* Sends all that was added. What the device has no room for is not sent again. */
static void send_all(int sock, struct frames *frames, struct process *own)
{
	unsigned int done = 0;

	while (done < frames->count) {
		int sent = sendmmsg(sock, frames->messages + done, frames->count - done, 0);

		if (sent > 0) {
			done += sent;
			own->sent += sent;
		} else if (errno != EINTR) {
			done++;
			own->refused++;
		}
	}
	frames->count = 0;
}

static int open_socket(void)
{
	int sock = socket(AF_PACKET, SOCK_RAW, 0), one = 1;

	if (sock < 0)
		die("socket");
	setsockopt(sock, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	return sock;
}

/* The round that most have come to, or the next one. */
static unsigned long next_round(unsigned int self)
{
	const unsigned long own = all[self].round;
	unsigned long most = own + 1;

	for (unsigned int n = 0; n < processors; n++)
		if (all[n].round > most)
			most = all[n].round;
	all[self].round = most;
	/* Whoever is there first waits a little for the others. */
	for (unsigned int patience = 0; patience < 3000; patience++) {
		unsigned int there = 0;

		for (unsigned int n = 0; n < processors; n++)
			there += all[n].round >= most;
		if (there == processors)
			break;
		if (patience % 1000 == 999)
			sched_yield();
	}
	return most;
}

static unsigned long sent_by_all(void)
{
	unsigned long sent = 0;

	for (unsigned int n = 0; n < processors; n++)
		sent += all[n].sent;
	return sent;
}

/* Plays rounds until all processes together have sent PACKETS, so that none ends before others. */
static void run(unsigned int self, unsigned long packets, uint64_t seed)
{
	struct frames *frames = calloc(1, sizeof(*frames));
	uint64_t own = mix(seed ^ (uint64_t)(self + 1) << 32);
	cpu_set_t set;
	int sock;

	CPU_ZERO(&set);
	CPU_SET(self, &set);
	if (!frames || sched_setaffinity(0, sizeof(set), &set))
		die("processor");
	set_up(frames);
	sock = open_socket();
	while (sent_by_all() < packets) {
		/* All processes draw the same flows of a round, and each another side of them. */
		const unsigned long number = next_round(self);
		uint64_t round = mix(seed + number);
		struct flow flow = { .service = &services[below(&round, SERVICES)],
				     .six = below(&round, 2) };
		/* Some ports again and again, and all in turn: connections are both known and new. */
		const unsigned int first = below(&round, 2) ? below(&round, 8) * FLOWS :
							      number * FLOWS % ports;
		const enum side side =
			(below(&round, SIDES) + self * (1 + below(&round, 2))) % SIDES;

		/* Several connections, or one that every packet meets: it ends and begins again all the time. */
		const unsigned int step = below(&round, 2);

		flow.client = 1 + below(&round, CLIENTS);
		for (unsigned int n = 0; n < BURST; n++) {
			flow.port = 1024 + (first + n / 2 * step) % ports;
			play(frames, &flow, side, &own);
		}
		send_all(sock, frames, &all[self]);
	}
}

/*
 * An ABORT, or an ACK and an RST, of each client to each service, from each of its ports: where
 * only
 * a SYN was seen, an RST by itself ends nothing.
 */
static void end(void)
{
	struct frames *frames = calloc(1, sizeof(*frames));
	int sock = open_socket();

	if (!frames)
		die("memory");
	set_up(frames);
	for (unsigned int n = 0; n < 2 * SERVICES * CLIENTS; n++) {
		struct flow flow = {
			.service = &services[n / 2 % SERVICES],
			.six = n % 2,
			.client = 1 + n / 2 / SERVICES,
		};

		for (unsigned int port = 0; flow.service->protocol != UDP && port < ports; port++) {
			flow.port = 1024 + port;
			if (flow.service->protocol == TCP)
				client(frames, &flow, ACK);
			client(frames, &flow, flow.service->protocol == TCP ? RST : 6);
			if (flow.service->port == 21 && port < 64) {
				flow.server = 11;
				for (unsigned int n = 0; n < 2; n++) {
					say(frames, &flow, 0, n ? RST : ACK, 50001 + port,
					    50000 + port, NULL);
					say(frames, &flow, 0, n ? RST : ACK, 50000 + port, 20,
					    NULL);
				}
			}
			if (frames->count > MOST - 6)
				send_all(sock, frames, &all[0]);
		}
		send_all(sock, frames, &all[0]);
	}
	printf("%lu packets\n", all[0].sent);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

static void watch(void)
{
	const double start = now();
	unsigned long before = 0;
	unsigned int left = processors, status, failed = 0;
	double last = start, next = start + 5;

	while (left) {
		const double time = now();
		unsigned long sent, refused = 0;
		int ended;

		while ((ended = waitpid(-1, (int *)&status, WNOHANG)) > 0) {
			left--;
			failed += status != 0;
		}
		sent = sent_by_all();
		for (unsigned int n = 0; n < processors; n++)
			refused += all[n].refused;
		if (time >= next || !left) {
			printf("%6.0f s %10lu packets, %7.0f a second, %lu refused, round %lu\n",
			       time - start, sent, (sent - before) / (time - last + 1e-9), refused,
			       (unsigned long)all[0].round);
			fflush(stdout);
			before = sent;
			last = time;
			next = time + 5;
		}
		usleep(100000);
	}
	if (failed)
		exit(1);
}

int main(int count, char **words)
{
	unsigned long packets;
	uint64_t seed;

	if (count != 7) {
		fprintf(stderr, "usage: storm DEVICE MAC PACKETS|end PROCESSORS PORTS SEED\n");
		return 2;
	}
	to.sll_ifindex = if_nametoindex(words[1]);
	to.sll_halen = 6;
	if (!to.sll_ifindex ||
	    sscanf(words[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &to.sll_addr[0], &to.sll_addr[1],
		   &to.sll_addr[2], &to.sll_addr[3], &to.sll_addr[4], &to.sll_addr[5]) != 6)
		die(words[1]);
	memcpy(source, to.sll_addr, 6);
	source[0] |= 2;
	source[5] ^= 1;
	packets = strtoul(words[3], NULL, 0);
	processors = strtoul(words[4], NULL, 0);
	ports = strtoul(words[5], NULL, 0);
	seed = strtoull(words[6], NULL, 0);
	if (!processors || processors > MOST_PROCESSORS || !ports || ports > 40000)
		return 2;
	all = mmap(NULL, sizeof(*all) * MOST_PROCESSORS, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		die("memory");
	if (!strcmp(words[3], "end")) {
		end();
		return 0;
	}
	for (unsigned int n = 0; n < processors; n++)
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			run(n, packets, seed);
			exit(0);
		}
	watch();
	return 0;
}
