# SPDX-License-Identifier: BSD-2-Clause
# limit: 240
#
# Tables of what is mapped in all the ways that there are; that they are few, and bounded.

load live

setup() {
	need_bpf
	cd "$BATS_TEST_TMPDIR" || return
	child= other=
}

teardown() { reap ${tprof:-} $child $other; }

burns() { [ "$(awk '{print $14 + $15}' "/proc/$1/stat")" -ge 3 ]; }

start() { # PROGRAM ARGS…
	"$@" 3>&- &
	child=$!
	await burns $child
}

# record -p $child ARGS…: the report in ./json, user stacks with counts in ./stacks.
record() {
	"$TPROF" record -q -p $child -F 997 -d 1 -o r.tprof "$@"
	look
}

look() {
	json r.tprof >json
	folded r.tprof | sed -E 's/;[^;]*_\[k\]//g' >stacks
}

# All samples are whole, and are what `unw_depth plain 10` does.
ten_deep() {
	[ "$(jq .stacks.cpu.truncated json)" = 0 ]
	at_least "$(jq .stacks.cpu.complete json)" 50
	run ! grep -vE ';main;(deeper;){10}bottom;burn [0-9]+$' stacks
}

@test "a program that was deleted, and another one stands in its place" {
	cp "$WORKLOADS/unw_depth" there
	start ./there plain 10
	rm there
	cp "$WORKLOADS/unw_cxx" there
	record
	ten_deep
}

@test "a program in a memfd" {
	start python3 -c 'import os, sys
fd = os.memfd_create("hidden", 0)
os.write(fd, open(sys.argv[1], "rb").read())
os.execv("/proc/self/fd/%d" % fd, ["hidden", "plain", "10"])' "$WORKLOADS/unw_depth"
	await grep -q memfd:hidden /proc/$child/maps
	record
	ten_deep
}

@test "a program in another mount namespace" {
	mkdir hidden
	start unshare -m sh -c "mount -t tmpfs none hidden && cp '$WORKLOADS/unw_depth' hidden/it &&
		exec hidden/it plain 10"
	await grep -q hidden/it /proc/$child/maps
	record
	ten_deep
}

@test "the vdso" {
	start "$WORKLOADS/names" 60 vdso
	record
	[ "$(jq .stacks.cpu.truncated json)" = 0 ]
	at_least "$(samples_of ';main;.*clock_gettime' <stacks)" 50
	run ! grep -v ';main' stacks
}

@test "a library loaded, unloaded and replaced by another one while recording" {
	mkfifo go
	sh -c 'read -r _ <go; exec "$0" 700' "$WORKLOADS/dl_reload" >/dev/null 3>&- &
	child=$!
	record_start r -p $child -F 997
	echo >go
	wait $tprof
	look
	at_least "$(samples_of ';main;.*use;plug;' <stacks)" 1000
	# the first samples after each loading may be before the table
	at_least "$(jq .stacks.cpu.complete json)" $(($(jq '.stacks.cpu.truncated' json) * 50))
}

@test "the same while threads come and go by the thousand, of which mapping events would tell" {
	truncate -s 4096 operations
	"$WORKLOADS/bench_waits" operations create >/dev/null 2>&1 3>&- &
	other=$!
	mkfifo go
	sh -c 'read -r _ <go; exec "$0" 700' "$WORKLOADS/dl_reload" >/dev/null 3>&- &
	child=$!
	record_start r -p $child -F 997
	sleep 0.3 # until they rest: `create` makes 40,000 a second
	echo >go
	wait $tprof
	look
	at_least "$(samples_of ';main;.*use;plug;red_work' <stacks)" 300
	at_least "$(samples_of ';main;.*use;plug;blue_work' <stacks)" 300
	at_least "$(jq .stacks.cpu.complete json)" $(($(jq '.stacks.cpu.truncated' json) * 10))
}

@test "children that live for some ms each: by their parent's mappings until they have their own" {
	start /usr/bin/python3 -c 'import os, time
while True:
	pid = os.fork()
	if not pid:
		while time.process_time() < 0.01: pass
		os._exit(0)
	os.waitpid(pid, 0)'
	record_start r -p $child -F 997 --follow
	await forked 20
	record_stop
	look
	at_least "$(jq .stacks.cpu.complete json)" 100
	at_least "$(jq .stacks.cpu.complete json)" $(($(jq .stacks.cpu.truncated json) * 30))
}

forked() { # N: ticks of CPU more that its children used who are gone
	: "${children:=$(($(awk '{print $16 + $17}' "/proc/$child/stat") + $1))}"
	[ "$(awk '{print $16 + $17}' "/proc/$child/stat")" -ge "$children" ]
}

# Mappings in the kernel's own tree (6.1) are looked up there; before that tprof must have read them.
has_maple_tree() { grep -qa maple_range_64 /sys/kernel/btf/vmlinux; }

# Each of these maps the loader, libc and more by itself; what is not known at first is the first round's.
@test "programs that live for some ms each, exec'ed again and again: whole after their first run" {
	has_maple_tree || skip "host: no maple tree of mappings (6.1)"
	mkfifo go
	sh -c 'read -r _ <go
		round() { perl -e 1; ls / ; sort /dev/null; sh -c "ls -l /proc/self/; exit 1"; openssl version; }
		while :; do round; round; date +%s%N >>rounds; done' >/dev/null 2>&1 3>&- &
	child=$!
	record_start r -p $child -F 997 --follow
	echo >go
	await forked 250
	record_stop
	sqlite3 r.tprof "select s.end = 1, sum(c.count) from counts c
		join windows w on w.id = c.time_window join stacks s on s.id = c.stack, recording r
		where c.kind = 1 and w.start_ns + r.start_realtime_ns > $(head -1 rounds)
		group by 1" >ends
	cat ends
	at_least "$(awk -F'|' '$1 {print $2}' ends)" 500
	awk -F'|' '{n[$1] = $2} END {exit n[1] < 199 * n[0]}' ends
}

sampled() { # MORE: of its CPU, in ticks
	: "${until:=$(($(awk '{print $14 + $15}' "/proc/$child/stat") + $1))}"
	[ "$(awk '{print $14 + $15}' "/proc/$child/stat")" -ge "$until" ]
}

# No table is there at first; those that are sampled come.
@test "-a: tables of what is sampled" {
	start "$WORKLOADS/unw_depth" plain 10
	record_start r -a -F 997
	await sampled 250 # more than two seconds, so that there is a last one without a beginning
	record_stop
	sqlite3 r.tprof "select c.time_window, s.end, sum(c.count) from counts c
		join stacks s on s.id = c.stack join threads t on t.id = c.thread
		join processes p on p.id = t.process where p.pid = $child and c.kind = 1
		group by 1, 2" >ends
	cat ends # in the last second all are complete
	[ "$(tail -1 ends | cut -d'|' -f2)" = 1 ]
	[ "$(tail -2 ends | cut -d'|' -f1 | uniq | wc -l)" = 2 ]
}

@test "memory for tables runs short: said, counted, and the rest is recorded" {
	java -Xshare:off -XX:+PreserveFramePointer "$BATS_TEST_DIRNAME/../workloads/Busy.java" 60 >up 3>&- &
	child=$!
	await grep -q up up
	record --unwind-memory 1M
	at_least "$(jq .cpu.samples json)" 50
	at_least "$(jq .losses.unwind_tables json)" 1
	jq -r '.notes[]' json | grep -q -- '--unwind-memory'
	# as much as it takes, and nothing is said
	record
	[ "$(jq .losses.unwind_tables json)" = 0 ]
	run ! grep -q -- '--unwind-memory' <<<"$(jq -r '.notes[]' json)"
}

many() { [ "$(wc -l <"/proc/$child/maps")" -ge "$1" ]; }

cpu_ms() { # COMMAND…: runs it; CPU that it used
	local TIMEFORMAT='%U %S'
	{ time "$@" >out 2>err; } 2>&1 | awk '{printf "%d\n", ($1 + $2) * 1000}'
}

@test "a process of as many mappings as the kernel allows, which makes more: no load" {
	start "$WORKLOADS/unw_depth" plain 10
	plain=$(cpu_ms "$TPROF" record -q -p $child -F 997 -d 3 -o r.tprof)
	reap $child
	start "$WORKLOADS/many_maps" $(($(cat /proc/sys/vm/max_map_count) - 500))
	await many $(($(cat /proc/sys/vm/max_map_count) - 1000))
	many=$(cpu_ms "$TPROF" record -q -p $child -F 997 -d 3 -o r.tprof)
	look
	echo "CPU: $plain ms, $many ms"
	at_least $((plain + 600)) "$many"
	# its libraries and its own code are known among all those
	at_least "$(jq .stacks.cpu.complete json)" $(($(jq '.stacks.cpu.truncated' json) * 50))
	at_least "$(samples_of ';main;rounds;\[jit' <stacks)" 100
}
