# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# `lab boot`: runs a command in the stock kernel under QEMU; gives its output and exit code.

# The lab's own exit codes, above those of tests.
BOOT_CRASHED=70 # the kernel panicked or oopsed
BOOT_HUNG=71    # the command did not end in time
BOOT_NEVER=72   # the guest or QEMU ended before the command did, without a message
BOOT_SPLAT=73   # the command succeeded, but the kernel complained in its log
BOOT_STALE=74   # QEMU executed a breakpoint that was not in memory any more

# Messages of the kernel log that report a crash or a fault.
CRASH_WORDS='Oops: |Oops\[|BUG: |general protection fault|Unable to handle|Kernel panic'
SPLAT_WORDS='WARNING: |refcount_t: |circular locking|suspicious RCU usage|scheduling while atomic|sysfs: cannot create duplicate'

boot_usage() {
	cat <<-EOF
	usage: lab boot [OPTIONS] [--] CMD…
	Boots the stock kernel, runs CMD as root in the guest (one argument: a shell line) with the
	checkout read-only as /checkout and a folder of the host as /results, and exits with CMD's code.

	  --smp N            processors (2)
	  --mem MB           memory (1024)
	  --icount           one processor whose clock counts instructions (TCG)
	  --append ARGS      more words for the kernel's command line
	  --timeout S        seconds until the guest counts as hung (900)
	  --share DIR        another folder of the host, read-only at its own path; may be repeated
	  --results DIR      the folder for /results and dmesg.log (default: one in the cache)
	  --kernel IMAGE     another kernel image
	  --plugin FILE[,…]  a plugin of QEMU's, with its arguments (TCG)
	  --accel kvm|tcg    what to run it with (default: KVM where it works)
	  --allow-splat      a warning in the kernel log does not make a success a failure
	  --interactive      a shell on this terminal instead of CMD

	Exit codes besides CMD's: $BOOT_CRASHED the kernel crashed, $BOOT_HUNG hung, $BOOT_NEVER ended
	early, $BOOT_SPLAT CMD succeeded but the kernel log holds a warning, $BOOT_STALE QEMU
	executed a breakpoint that is not in memory: run it again.
	EOF
}

boot_defaults() {
	BOOT_SMP=2 BOOT_MEM=1024 BOOT_ICOUNT='' BOOT_APPEND='' BOOT_TIMEOUT=900 BOOT_SHARES=()
	BOOT_RESULTS='' BOOT_KERNEL=$LAB_KERNEL/vmlinux BOOT_INTERACTIVE='' BOOT_ACCEL='' BOOT_ALLOW_SPLAT=''
	BOOT_QUIET='' BOOT_PLUGIN='' BOOT_COMMAND=()
}

boot_options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--smp) BOOT_SMP=$2 && shift ;;
		--mem) BOOT_MEM=$2 && shift ;;
		--icount) BOOT_ICOUNT=1 BOOT_SMP=1 ;;
		--append) BOOT_APPEND="$BOOT_APPEND $2" && shift ;;
		--timeout) BOOT_TIMEOUT=$2 && shift ;;
		--share) BOOT_SHARES+=("$(readlink -f "$2")") && shift ;;
		--results) BOOT_RESULTS=$2 && shift ;;
		--kernel) BOOT_KERNEL=$(readlink -f "$2") && shift ;;
		--plugin) BOOT_PLUGIN=$2 && shift ;;
		--accel) BOOT_ACCEL=$2 && shift ;;
		--allow-splat) BOOT_ALLOW_SPLAT=1 ;;
		--interactive) BOOT_INTERACTIVE=1 ;;
		--quiet) BOOT_QUIET=1 ;;
		--help)
			boot_usage
			exit 0
			;;
		--)
			shift
			break
			;;
		-*) die "boot does not know \"$1\" (lab boot --help)" ;;
		*) break ;;
		esac
		shift
	done
	BOOT_COMMAND=("$@")
	[ $# -gt 0 ] || [ -n "$BOOT_INTERACTIVE" ] || die 'boot needs a command (lab boot --help)'
}

lab_boot() {
	boot_defaults
	boot_options "$@"
	[ -r "$LAB_GUEST/root.ext4" ] || die 'there is no guest yet: run "tools/lab/lab setup"'
	boot_accel
	boot_run
}

# The folder that carries the command in, and the exit code and the console out.
boot_control() {
	CONTROL=$(mktemp -d "${TMPDIR:-/tmp}/lab-boot.XXXXXX")
	trap 'rm -rf "$CONTROL"' EXIT
	if [ -z "$BOOT_RESULTS" ]; then
		mkdir -p "$LAB_CACHE/results"
		# The last runs are kept, for a look back; not all of them.
		find "$LAB_CACHE/results" -mindepth 1 -maxdepth 1 -type d -mmin +1440 -exec rm -rf {} +
		BOOT_RESULTS=$(mktemp -d "$LAB_CACHE/results/$(date +%H%M%S).XXXX")
	fi
	mkdir -p "$BOOT_RESULTS"
	BOOT_RESULTS=$(readlink -f "$BOOT_RESULTS")
	if [ -n "$BOOT_INTERACTIVE" ]; then
		say "/results in the guest is $BOOT_RESULTS"
		printf 'export LAB_SIZE=%q TERM=%q\n' "$(stty size 2>/dev/null || echo 24 80)" "${TERM:-vt100}" >"$CONTROL/interactive"
	elif [ ${#BOOT_COMMAND[@]} = 1 ]; then
		printf '%s\n' "${BOOT_COMMAND[0]}" >"$CONTROL/command"
	else
		printf '%q ' "${BOOT_COMMAND[@]}" >"$CONTROL/command"
	fi
}

# Adds QEMU's arguments for one shared folder.
boot_share() {
	QEMU+=(-fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap$3"
		-device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}

boot_qemu() {
	local n=0 folder words khz
	# Nobody writes to the image (a new one replaces it), and others may have it open in ways
	# that QEMU would not share.
	QEMU=(qemu-system-x86_64 -M q35 -nodefaults -no-user-config -no-reboot -display none
		-smp "$BOOT_SMP" -m "$BOOT_MEM" -kernel "$BOOT_KERNEL" -initrd "$LAB_CACHE/initrd"
		-drive "file.driver=file,file.filename=$LAB_GUEST/root.ext4,file.locking=off,format=raw,if=virtio,snapshot=on"
		-serial "file:$CONTROL/console" -device virtio-serial-pci
		-chardev "pipe,id=monitor,path=$CONTROL/monitor" -mon chardev=monitor)
	# An emulator on a busy machine is slow: that alone is no lock-up. An NMI is how we ask a
	# hung guest where it is.
	words='console=ttyS0 quiet panic=-1 oops=panic unknown_nmi_panic random.trust_cpu=on watchdog_thresh=60'
	words+=' rcupdate.rcu_cpu_stall_timeout=120'
	[ "$BOOT_ACCEL" = kvm ] || words+=' tsc=reliable no_timer_check'
	# What guards against the leaks of real processors costs an emulator a third of its time;
	# measurements keep it.
	if [ "$BOOT_ACCEL" = tcg ]; then
		words+=' mitigations=off'
		khz=$(tsc_khz)
		[ -z "$khz" ] || words+=" tsc_early_khz=$khz"
	fi
	QEMU+=(-append "$words$BOOT_APPEND")
	case $BOOT_ACCEL in
	kvm) QEMU+=(-accel kvm -cpu host) ;;
	# Each repetition of an instruction counts: those that fill or copy memory byte by byte, as
	# "fast" processors have them, would count as hundreds.
	icount) QEMU+=(-accel tcg -icount 'shift=0,sleep=off' -cpu 'max,-fsrs,-fsrm,-erms') ;;
	# A plain processor: what newer ones add takes an emulator longer than doing without.
	*) QEMU+=(-accel 'tcg,thread=multi' -cpu qemu64) ;;
	esac
	[ -z "$BOOT_PLUGIN" ] || QEMU+=(-plugin "$BOOT_PLUGIN")
	if [ -n "$BOOT_INTERACTIVE" ]; then
		QEMU+=(-chardev 'stdio,id=terminal,signal=off' -device 'virtconsole,chardev=terminal')
	else
		QEMU+=(-chardev "file,id=output,path=$CONTROL/output" -device 'virtserialport,chardev=output,name=lab.output')
	fi
	boot_share control "$CONTROL" ''
	boot_share checkout "$LAB_CHECKOUT" ,readonly=on
	boot_share results "$BOOT_RESULTS" ''
	: >"$CONTROL/shares"
	for folder in "${BOOT_SHARES[@]}"; do
		n=$((n + 1))
		echo "share$n $folder" >>"$CONTROL/shares"
		boot_share "share$n" "$folder" ,readonly=on
	done
}

# Chooses what runs the guest, and says which.
boot_accel() {
	# shellcheck source=accel.sh
	. "$LAB_DIR/lib/accel.sh"
	if [ -n "$BOOT_ICOUNT" ]; then
		BOOT_ACCEL=icount
	elif [ -z "$BOOT_ACCEL" ]; then
		BOOT_ACCEL=$(accel_choose)
	fi
	[ -n "$BOOT_QUIET" ] || case $BOOT_ACCEL in
	kvm) say "booting $(kernel_release) with KVM" ;;
	icount) say "booting $(kernel_release) with TCG, counting instructions" ;;
	*) say "booting $(kernel_release) with TCG" ;;
	esac
}

boot_run() {
	local status=0 reader alarm
	boot_control
	boot_qemu
	mkfifo "$CONTROL/monitor.in" "$CONTROL/monitor.out"
	if [ -n "$BOOT_INTERACTIVE" ]; then
		# No time limit here: "timeout" would take the terminal away.
		"$LAB_DIR/lab" enter "${QEMU[@]}" || status=$?
	else
		# Through a pipe of our own: QEMU would leave the caller's standard output
		# non-blocking.
		mkfifo "$CONTROL/output"
		cat "$CONTROL/output" &
		reader=$!
		boot_alarm &
		alarm=$!
		timeout --foreground --kill-after=5 $((BOOT_TIMEOUT + 20)) \
			"$LAB_DIR/lab" enter "${QEMU[@]}" </dev/null 2>"$CONTROL/qemu" || status=$?
		cat "$CONTROL/qemu" >&2
		kill "$alarm" 2>/dev/null || true
		# Were QEMU not to have opened it, the reader would wait for ever.
		: <>"$CONTROL/output"
		wait "$reader"
	fi
	boot_verdict "$status"
}

# When the time is over: an NMI, at which the guest's kernel shows where it is, and ends.
boot_alarm() {
	trap 'kill $! 2>/dev/null; exit' TERM
	sleep "$BOOT_TIMEOUT" &
	wait
	: >"$CONTROL/late"
	echo nmi <>"$CONTROL/monitor.in" >&0
	sleep 5 &
	wait
	echo quit <>"$CONTROL/monitor.in" >&0
}

# What became of it, from the console, the exit code the guest left, and QEMU's own.
boot_verdict() {
	local qemu=$1 code=''
	cp "$CONTROL/console" "$BOOT_RESULTS/console.log" 2>/dev/null || true
	[ ! -s "$CONTROL/exit" ] || code=$(<"$CONTROL/exit")
	if [ -e "$CONTROL/late" ] || [ "$qemu" = 124 ]; then
		boot_fault "$BOOT_HUNG" "no end after $BOOT_TIMEOUT s: the guest hangs, or the command does; where its processors were:" 'NMI: '
	elif [ "$BOOT_ACCEL" = tcg ] && boot_is_stale <"$CONTROL/console"; then
		boot_fault "$BOOT_STALE" 'QEMU executed a breakpoint that is not in memory' 'Oops: int3'
	elif grep -qE "$CRASH_WORDS" "$CONTROL/console" 2>/dev/null; then
		boot_fault "$BOOT_CRASHED" 'the kernel crashed' "$CRASH_WORDS"
	elif [ -z "$code" ]; then
		code=$(exit_words "$qemu")
		boot_fault "$BOOT_NEVER" "the guest ended before the command did (QEMU: $code)"
	elif [ "$code" -ge "$BOOT_CRASHED" ]; then
		# Not one of a test's: a signal ended the shell, such as that of the OOM killer.
		say "the command ended with $(exit_words "$code"); the end of the kernel's log:"
		tail -n 35 "$BOOT_RESULTS/dmesg.log" 2>&1 | boot_indent || true
	fi
	if [ "$code" = 0 ] && [ -z "$BOOT_ALLOW_SPLAT" ] && grep -qE "$SPLAT_WORDS" "$BOOT_RESULTS/dmesg.log"; then
		boot_fault "$BOOT_SPLAT" 'the command succeeded, but the kernel complained' "$SPLAT_WORDS"
	fi
	exit "$code"
}

# Succeeds if a console shows a breakpoint trap whose instruction is not in memory.
#
# The kernel changes its code while all CPUs run (static keys) behind a breakpoint, which it removes
# last. QEMU invalidates translated code before the store that changes it, not with it. A CPU that
# translates in between translates the breakpoint once more, and nothing invalidates that. The trap
# then finds nobody who knows of it: "Oops: int3". The kernel prints the bytes around the
# instruction pointer, which is marked and is behind the breakpoint. If there is none, the trap is
# that of no code, the module's included.
boot_is_stale() {
	awk '
		/Oops: int3/ { trap = 1 }
		trap && / Code: / {
			for (n = 2; n <= NF; n++)
				if ($n ~ /^</)
					stale = $(n - 1) ~ /^[0-9a-f][0-9a-f]$/ && $(n - 1) != "cc"
			exit
		}
		END { exit !stale }'
}

# An exit code in words: a shell reports a signal as 128 and its number.
exit_words() {
	local name
	if [ "$1" -gt 128 ] && name=$(kill -l $(($1 - 128)) 2>/dev/null); then
		echo "exit code $1, killed by SIG$name"
	else
		echo "exit code $1"
	fi
}

# Prints the lines around the first one that matches a pattern in a log of the results.
boot_around() {
	grep -hE -m1 -B3 -A35 "$1" "$BOOT_RESULTS/$2.log"
}

# Lines of the guest's log, set off from the lab's own.
boot_indent() {
	sed 's/\r$//; s/^/    | /' >&2
}

# Ends with CODE and WORDS, showing the console around the first line that matches FROM, or its end.
boot_fault() {
	local code=$1 words=$2 from=${3-}
	say "$RED$words$PLAIN (exit code $code); the whole log is in $BOOT_RESULTS"
	{
		if [ -z "$from" ] ||
			! { boot_around "$from" console || boot_around "$from" dmesg; }; then
			tail -n 8 "$CONTROL/qemu"
			tail -n 30 "$BOOT_RESULTS/console.log"
		fi
	} 2>/dev/null | boot_indent || true
	exit "$code"
}
