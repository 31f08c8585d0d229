# SPDX-License-Identifier: BSD-2-Clause
# Switches and churn against what the kernel itself says in /proc, and tprof is not in it.

load live

setup_file() { BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR need_bpf; }

setup() { cd "$BATS_TEST_TMPDIR"; }
teardown() { reap $program; }

@test "switches of a program with one thread are those of /proc/PID/status" {
	"$WORKLOADS/states" >ready 3>&- &
	program=$!
	await grep -q ready ready
	tid=$(grep -lx doze-50 /proc/$program/task/*/comm | cut -d/ -f5)
	switches() { awk '/ctxt_switches/ {print $2}' /proc/$program/task/"$tid"/status; }
	record_start r -t "$tid"
	before=$(switches | head -1)
	sleep 2
	after=$(switches | head -1)
	record_stop
	near "$(json r.tprof | jq '.threads[0].voluntary_switches')" $((after - before)) 3
}

@test "a process that ends is no thread that ends" {
	"$TPROF" record -q -o r.tprof -- sh -c 'for i in 1 2 3 4 5 6 7 8; do /bin/true; done'
	[ "$(json r.tprof | jq -c '.thread_churn | [.created, .exited]')" = '[0,0]' ]
	"$TPROF" record -q -o c.tprof -- "$WORKLOADS/waits" churn 200 2000
	[ "$(json c.tprof | jq -c '.thread_churn | [.created, .exited]')" = '[200,200]' ]
}

@test "record -a: tprof is not in it" {
	record_start r -a
	self=$tprof
	sleep 0.5
	record_stop
	[ "$(json r.tprof | jq "[.threads[] | select(.pid == $self)] | length")" = 0 ]
}
