#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Runs in the virtual machine (busybox sh, one slow CPU, root): the same binary on this kernel.
# Each check says "ok" or "not ok"; exit 1 when one failed.
cd /tmp || exit 1
failed=0

check() { # NAME COMMAND…
	name=$1
	shift
	if "$@" >out 2>&1; then
		echo "ok - $name"
	else
		echo "not ok - $name"
		tail -n 40 out | sed 's/^/# /'
		failed=1
	fi
}

has() { # FILE PATTERN
	grep -qE "$2" "$1" || { head -c 3000 "$1"; return 1; }
}

echo "kernel: $(uname -r)"
check "tprof check passes" tprof check
tprof check | sed 's/^/# check: /'

/workloads/demo >ready &
pid=$!
while ! grep -q ready ready; do
	kill -0 $pid || { echo "not ok - the workload starts"; exit 1; }
	usleep 50000
done

check "records a process for 4 s" tprof record -p $pid -F 199 -d 4 -o demo.tprof -q
check "report" sh -c 'tprof report demo.tprof >report.txt'
sed 's/^/# report: /' report.txt
check "report --json" sh -c 'tprof report demo.tprof --json >report.json'
for kind in cpu offcpu lock spawn; do
	check "export $kind" sh -c "tprof export demo.tprof -f folded --kind $kind >$kind.folded"
done
check "cpu: the hot function below its thread's root" has cpu.folded '^hasher;.*hasher;checksum_blocks[; ]'
check "cpu: kernel frames have names" has cpu.folded '_\[k\]'
mount -o bind /dev/null /proc/kallsyms
check "records without /proc/kallsyms" tprof record -p $pid -F 199 -d 2 -o kernel.folded -q
check "… whose kernel frames have names: the kernel was asked" has kernel.folded '[a-z]_\[k\]'
umount /proc/kallsyms
check "lock: the function that takes the lock" has lock.folded '^clerk;.*clerk;update_ledger;'
check "spawn: the function that makes threads" has spawn.folded 'serve_requests;start_task;'
check "nothing lost" sh -c 'grep -q "\"losses\"" report.json && ! grep -A12 "\"losses\"" report.json | grep -E "\"(samples|stacks|events|map_full)\" *: *[1-9]"'
check "started command, followed" tprof record -d 2 -F 199 -o command.folded -q -- /workloads/demo
check "its hot function" has command.folded 'checksum_blocks'
kill $pid

# Looked up in the kernel's own mappings, where there is a tree of them (6.1). Busybox has no CFI.
if grep -q maple_range_64 /sys/kernel/btf/vmlinux; then
	sh -c 'while :; do tprof help record >/dev/null; done' &
	pid=$!
	tprof record -p $pid -F 997 -d 4 --follow -o execs.tprof -q
	check "what is exec'ed again is whole at once" sh -c 'tprof export execs.tprof@2s-4s -f folded |
		awk "/^tprof;/ && !/busybox/ {n[/\\[truncated\\]/] += \$NF}
			END {print n[0], n[1] + 0; exit !(n[0] > 100 && n[0] > 99 * n[1])}"'
	kill $pid
fi
exit $failed
