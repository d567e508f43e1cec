// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin that counts how often each block of the guest's code is executed between two marks.
 *
 * A mark is an eight-byte no-op with a number of ours in it, which the guest executes: the first
 * one sets all
 * counters to zero, the second one writes "REGION ADDRESS INSTRUCTIONS TIMES" for each block to the
 * file that
 * out=FILE names, with the times of all processors together. A block is told from others by where
 * it begins and how
 * long it is, so a module that takes the place of another one must not be profiled in the same
 * boot.
 *
 * With stores=on the kernel's stores are counted too, by cache line. The lines that several
 * processors wrote are told
 * of as "REGION line ADDRESS TIMES OTHERS BY": how often, how often by others than the one that
 * wrote most, and the
 * address of the instruction that wrote first.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu-plugin-api.h"

#define BUCKETS (1u << 16)
#define MOST_BLOCKS (1u << 20)

/* nopl NUMBER(%rax,%rax,1) */
static const uint8_t mark_start[] = { 0x0f, 0x1f, 0x84, 0x00, 'i', 'p', 'v', '1' };
static const uint8_t mark_stop[] = { 0x0f, 0x1f, 0x84, 0x00, 'i', 'p', 'v', '0' };

/* Lines that are counted, how far from its place one is looked for, and the fewest stores that are told of. */
#define LINES (1u << 22)
#define PROBES 64
#define FEWEST 64
#define LINE_SHIFT 6
#define PROCESSORS 8

struct line {
	uint64_t number;
	uint64_t by;
	uint32_t times[PROCESSORS];
};

struct block {
	uint64_t address;
	uint64_t instructions;
	qemu_plugin_u64 times;
	struct block *next;
};

PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_API_VERSION;

static struct qemu_plugin_scoreboard *board;
static struct block *blocks[BUCKETS];
static unsigned int block_count;
static unsigned int region;
static FILE *out;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct line *lines;
static bool counting;

static void for_each_block(void (*act)(struct block *))
{
	for (unsigned int bucket = 0; bucket < BUCKETS; bucket++)
		for (struct block *block = blocks[bucket]; block; block = block->next)
			act(block);
}

static void zero(struct block *block)
{
	for (int vcpu = 0; vcpu < qemu_plugin_num_vcpus(); vcpu++)
		qemu_plugin_u64_set(block->times, vcpu, 0);
}

static void report(struct block *block)
{
	uint64_t times = qemu_plugin_u64_sum(block->times);

	if (times)
		fprintf(out, "%u %llx %llu %llu\n", region, (unsigned long long)block->address,
			(unsigned long long)block->instructions, (unsigned long long)times);
}

static void report_line(const struct line *line)
{
	unsigned long long times = 0, most = 0;

	for (int vcpu = 0; vcpu < PROCESSORS; vcpu++) {
		times += line->times[vcpu];
		if (line->times[vcpu] > most)
			most = line->times[vcpu];
	}
	if (times >= FEWEST && times > most)
		fprintf(out, "%u line %llx %llu %llu %llx\n", region,
			(unsigned long long)line->number << LINE_SHIFT, times, times - most,
			(unsigned long long)line->by);
}

static void report_lines(void)
{
	for (struct line *line = lines; line < lines + LINES; line++)
		report_line(line);
}

static void start(unsigned int vcpu, void *data)
{
	pthread_mutex_lock(&lock);
	for_each_block(zero);
	if (lines)
		memset(lines, 0, LINES * sizeof(*lines));
	__atomic_store_n(&counting, true, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
}

static void stop(unsigned int vcpu, void *data)
{
	pthread_mutex_lock(&lock);
	__atomic_store_n(&counting, false, __ATOMIC_RELEASE);
	for_each_block(report);
	if (lines)
		report_lines();
	fflush(out);
	region++;
	pthread_mutex_unlock(&lock);
}

/* A store of the kernel by the instruction whose address is data. What finds no room is not counted. */
static void stored(unsigned int vcpu, uint32_t info, uint64_t address, void *data)
{
	uint64_t number = address >> LINE_SHIFT;
	uint64_t at = number * 0x9e3779b97f4a7c15ull >> 42;

	if (!__atomic_load_n(&counting, __ATOMIC_RELAXED) || !(address >> 63))
		return;
	for (unsigned int probe = 0; probe < PROBES; probe++) {
		struct line *line = &lines[(at + probe) % LINES];
		uint64_t found = __atomic_load_n(&line->number, __ATOMIC_RELAXED);

		if (!found && __atomic_compare_exchange_n(&line->number, &found, number, false,
							  __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			line->by = (uintptr_t)data;
			found = number;
		}
		if (found != number)
			continue;
		__atomic_fetch_add(&line->times[vcpu % PROCESSORS], 1, __ATOMIC_RELAXED);
		return;
	}
}

/* The entry of a block; a new one where it was not seen before, NULL where there is no room for more. */
static struct block *find(uint64_t address, uint64_t instructions)
{
	unsigned int bucket = (address ^ (address >> 16)) % BUCKETS;
	struct block *block;

	for (block = blocks[bucket]; block; block = block->next)
		if (block->address == address && block->instructions == instructions)
			return block;
	if (block_count == MOST_BLOCKS)
		return NULL;
	block = calloc(1, sizeof(*block));
	if (!block)
		return NULL;
	block->address = address;
	block->instructions = instructions;
	block->times.score = board;
	block->times.offset = sizeof(uint64_t) * block_count++;
	block->next = blocks[bucket];
	blocks[bucket] = block;
	return block;
}

static void find_marks(struct qemu_plugin_tb *tb, size_t count)
{
	for (size_t at = 0; at < count; at++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, at);
		uint8_t bytes[sizeof(mark_start)];

		if (qemu_plugin_insn_size(insn) != sizeof(bytes))
			continue;
		qemu_plugin_insn_data(insn, bytes, sizeof(bytes));
		if (!memcmp(bytes, mark_start, sizeof(bytes)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, start, QEMU_PLUGIN_NO_REGISTERS, NULL);
		else if (!memcmp(bytes, mark_stop, sizeof(bytes)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, stop, QEMU_PLUGIN_NO_REGISTERS, NULL);
	}
}

static void watch(struct qemu_plugin_insn *insn)
{
	qemu_plugin_register_vcpu_mem_cb(insn, stored, QEMU_PLUGIN_NO_REGISTERS, QEMU_PLUGIN_STORES,
					 (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn));
}

static void translated(qemu_plugin_id id, struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb);
	size_t count = qemu_plugin_tb_n_insns(tb);
	bool kernel = address >> 63;

	if (kernel) {
		struct block *block;

		pthread_mutex_lock(&lock);
		block = find(address, count);
		pthread_mutex_unlock(&lock);
		if (block)
			qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, QEMU_PLUGIN_ADD, block->times, 1);
		else
			fprintf(stderr, "counter: no room for more blocks: the profile is not complete\n");
		for (size_t insn = 0; lines && insn < count; insn++)
			watch(qemu_plugin_tb_get_insn(tb, insn));
	} else {
		find_marks(tb, count);
	}
}

PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id id, const struct qemu_info *info, int argc, char **argv)
{
	for (int at = 0; at < argc; at++) {
		if (!strncmp(argv[at], "out=", 4))
			out = fopen(argv[at] + 4, "w");
		else if (!strcmp(argv[at], "stores=on"))
			lines = calloc(LINES, sizeof(*lines));
	}
	if (!out) {
		fprintf(stderr, "counter: out=FILE is missing, or that file cannot be written\n");
		return 1;
	}
	board = qemu_plugin_scoreboard_new(sizeof(uint64_t) * MOST_BLOCKS);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
