/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The part of QEMU's plugin interface that the plugins here use, declared here because Debian
 * packages QEMU without the
 * header. Version 4 is that of QEMU 10.0; QEMU refuses a plugin whose version it does not know.
 */
#ifndef QEMU_PLUGIN_API_H
#define QEMU_PLUGIN_API_H

#include <stddef.h>
#include <stdint.h>

#define QEMU_PLUGIN_API_VERSION 4
#define PLUGIN_EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;
struct qemu_info;

typedef uint64_t qemu_plugin_id;

/* A 64-bit counter for each processor, at an offset in each processor's element of a scoreboard. */
typedef struct {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
} qemu_plugin_u64;

enum { QEMU_PLUGIN_NO_REGISTERS = 0 };
enum { QEMU_PLUGIN_ADD = 0 };
enum { QEMU_PLUGIN_STORES = 2 };

typedef void (*qemu_plugin_translated)(qemu_plugin_id id, struct qemu_plugin_tb *tb);
typedef void (*qemu_plugin_executed)(unsigned int vcpu, void *data);
typedef void (*qemu_plugin_accessed)(unsigned int vcpu, uint32_t info, uint64_t address, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id id, qemu_plugin_translated callback);
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb *tb, int operation,
						       qemu_plugin_u64 counter, uint64_t operand);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, qemu_plugin_executed callback,
					    int registers, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, qemu_plugin_accessed callback,
				      int registers, int kinds, void *data);

int qemu_plugin_num_vcpus(void);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *buffer, size_t length);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size);
void qemu_plugin_u64_set(qemu_plugin_u64 counter, unsigned int vcpu, uint64_t value);
uint64_t qemu_plugin_u64_sum(qemu_plugin_u64 counter);

#endif
