# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Changes to the copy of the kernel's source that User-mode Linux needs with several processors.
#
# Requires lib.sh and kernel-copy.sh.
# shellcheck disable=SC2154 # source and root are set by the scripts that source this

# A processor that is just starting frees memory before it is online; kmemleak then calls RCU from
# there, which complains.
keep_start_data() {
	local file=$source/arch/um/os-Linux/smp.c
	grep -q start_data "$file" || sed -i -e 's/^static pthread_t cpu_threads.*/&\nstatic struct cpu_thread_data start_data[CONFIG_NR_CPUS];/' \
		-e 's/data = uml_kmalloc(sizeof(\*data), UM_GFP_ATOMIC)/data = \&start_data[cpu]/' -e '/kfree(data);/d' "$file"
	grep start_data "$file"
}

# A signal from another processor is noted while interrupts are disabled, not blocked on the host.
note_signals() {
	grep -q ipi_noted "$source/arch/um/os-Linux/signal.c" ||
		patch --quiet --strip=1 --directory "$source" <"$root/tools/build/um-signals.patch"
}

# Its processors are threads, and the host may have fewer of its own: who waits for a lock, or for
# another processor, lets others run, or a queue of waiters stands still for each one that does not.
yield_to_holder() {
	local line yield='int sched_yield(void);\n#define cpu_relax() sched_yield()'
	for line in 'locking/qspinlock.c "qspinlock_stat.h"' 'smp.c "sched/smp.h"'; do
		local file=$source/kernel/${line% *} include=${line#* }
		grep -q sched_yield "$file" ||
			sed -i "s|^#include $include|&\n\n$yield|" "$file"
		grep sched_yield "$file" || return
	done
}

# All of it, for a copy of the source that has it already, too.
fit_for_processors() {
	keep_start_data && note_signals && yield_to_holder
}
