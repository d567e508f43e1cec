// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin that counts how often each block of the guest's code is executed between two marks.
 *
 * A mark is an eight-byte no-op with a number of ours in it, which the guest executes: the first one sets all
 * counters to zero, the second one writes "REGION ADDRESS INSTRUCTIONS TIMES" for each block to the file that
 * out=FILE names. The guest has one processor. A block is told from others by where it begins and how long it is, so
 * a module that takes the place of another one must not be profiled in the same boot.
 */
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

static void for_each_block(void (*act)(struct block *))
{
	for (unsigned int bucket = 0; bucket < BUCKETS; bucket++)
		for (struct block *block = blocks[bucket]; block; block = block->next)
			act(block);
}

static void zero(struct block *block)
{
	qemu_plugin_u64_set(block->times, 0, 0);
}

static void report(struct block *block)
{
	uint64_t times = qemu_plugin_u64_get(block->times, 0);

	if (times)
		fprintf(out, "%u %llx %llu %llu\n", region, (unsigned long long)block->address,
			(unsigned long long)block->instructions, (unsigned long long)times);
}

static void start(unsigned int vcpu, void *data)
{
	for_each_block(zero);
}

static void stop(unsigned int vcpu, void *data)
{
	for_each_block(report);
	fflush(out);
	region++;
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

static void translated(qemu_plugin_id id, struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb);
	size_t count = qemu_plugin_tb_n_insns(tb);
	bool kernel = address >> 63;

	if (kernel) {
		struct block *block = find(address, count);

		if (block)
			qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, QEMU_PLUGIN_ADD, block->times, 1);
		else
			fprintf(stderr, "counter: no room for more blocks: the profile is not complete\n");
	} else {
		find_marks(tb, count);
	}
}

PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id id, const struct qemu_info *info, int argc, char **argv)
{
	for (int at = 0; at < argc; at++)
		if (!strncmp(argv[at], "out=", 4))
			out = fopen(argv[at] + 4, "w");
	if (!out) {
		fprintf(stderr, "counter: out=FILE is missing, or that file cannot be written\n");
		return 1;
	}
	board = qemu_plugin_scoreboard_new(sizeof(uint64_t) * MOST_BLOCKS);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
