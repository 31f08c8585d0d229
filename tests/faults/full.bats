# SPDX-License-Identifier: BSD-2-Clause
# limit: 600
# Whatever there is of limited room in the kernel, filled for real: counted, and totals stay right.

load faults

setup() {
	need_bpf
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	[ -z "${tprof:-}" ] || kill -CONT "$tprof" 2>/dev/null || true
	reap "${tprof:-}" "${child:-}"
}

# Records `faults MODE SECONDS_OF_CPU`, with tprof stopped for the while.
#	stopped "OPTIONS" MODE SECONDS_OF_CPU
stopped() {
	mkfifo go
	nice -n -10 "$WORKLOADS/faults" "$2" "$3" <go >said 3>&- &
	child=$!
	exec 4>go
	# shellcheck disable=SC2086
	record_start r $1 -p $child 4>&-
	kill -STOP $tprof
	exec 4>&-
	wait $child
	kill -CONT $tprof
	wait $tprof
	json r.tprof >r.json
}

@test "tprof stopped for 5 s: nothing is lost at 99 Hz" {
	stopped "-F 99" still 5
	right_totals r.json "$(ns_of said)" 99 3
	[ "$(jq '[.losses[]] | add' r.json)" = 0 ]
	figure stopped "$(jq -r '"\(.cpu.samples) samples, \(.span.seconds) s, lost \([.losses[]] | add)"' r.json) of $(ns_of said) ns"
}

@test "ring buffer full: stacks are lost and counted, samples are not" {
	stopped "-F 999 --no-waits" stacks 4
	right_totals r.json "$(ns_of said)" 999 3
	at_least "$(lost stacks r.json)" 100
	[ "$(lost samples r.json)" = 0 ]
	# each sample whose stack is gone says so
	folded r.tprof >stacks
	near "$(samples_of ' ' <stacks)" "$(jq .cpu.samples r.json)" 0
	figure ring "$(jq -r '"\(.cpu.samples) samples, stacks lost \(.losses.stacks)"' r.json) of $(ns_of said) ns"
}

@test "counts full: samples are lost and counted" {
	stopped "-F 4999" stacks 4
	right_totals r.json "$(ns_of said)" 4999 5
	at_least "$(lost samples r.json)" 100
	at_least "$(lost map_full r.json)" "$(lost samples r.json)"
	figure counts "$(jq -r '"\(.cpu.samples) samples and \(.losses.samples) lost"' r.json) of $(ns_of said) ns at 4999 Hz"
}

@test "17,000 threads at once: created, exited and CPU time are those of all" {
	record_faults "-F 99" threads 17000
	grep -q '^live 17000$' said || skip "host: no 17,000 threads here: $(cat err)"
	[ "$(jq -c '.thread_churn | [.created, .exited]' r.json)" = "[17000,17000]" ]
	at_least "$(lost threads_full r.json)" 600
	figure threads "created $(jq .thread_churn.created r.json), threads_full $(lost threads_full r.json)"
}

@test "20,000 locks: their waits add up" {
	record_faults "-F 99" locks 20000
	at_least "$(lost locks_full r.json)" 10000
	# whose time was over before it slept has not waited
	waits=$(jq '[.threads[].futex_waits] | add' r.json)
	near "$waits" 20000 1000
	[ "$(jq '[.locks[].waits] | add' r.json)" = "$waits" ]
	figure locks "$waits waits, locks_full $(lost locks_full r.json)"
}

@test "5,000 processes at once, with children: all are counted" {
	record_faults "-F 4999" procs 5000
	grep -q '^live 5000$' said || skip "host: no 5,000 processes here: $(cat err)"
	right_totals r.json "$(ns_of said)" 4999 5
	[ "$(jq .thread_churn.processes_forked r.json)" = 5000 ]
	at_least "$(lost processes r.json)" 1
	figure processes "processes $(lost processes r.json), mappings $(lost mappings r.json), $(jq .cpu.samples r.json) samples and $(lost samples r.json) lost of $(ns_of said) ns"
}

@test "8,600 processes at once, followed: those beyond 8,192 are not recorded, and counted" {
	record_faults "-F 499" procs 8600
	grep -q '^live 8600$' said || skip "host: no 8,600 processes here: $(cat err)"
	[ "$(jq .thread_churn.processes_forked r.json)" = 8600 ]
	# the command itself is one of the 8,192
	[ "$(lost targets_full r.json)" = 409 ]
	# they had half a millisecond each
	right_totals r.json "$(($(ns_of said) - 409 * 500000))" 499 5
	figure targets "targets_full $(lost targets_full r.json), $(jq .cpu.samples r.json) samples of $(ns_of said) ns"
}

@test "20,000 executable mappings" {
	record_faults "-F 999" maps 20000 0.5
	right_totals r.json "$(ns_of said)" 999 5
	at_least "$(lost mappings r.json)" 1
	figure mappings "mappings $(lost mappings r.json), $(jq .cpu.samples r.json) samples of $(ns_of said) ns"
}

@test "more files than may be open: it says so, and has some left to name and save" {
	(ulimit -n 512 && record_faults "-F 999" files 1000 0.5)
	right_totals r.json "$(ns_of said)" 999 5
	[[ "$(jq -r '.notes[]' r.json)" == *"limit of open files"* ]]
	at_least "$(folded r.tprof | samples_of ';(burn_until|\[faults[+]0x)')" 300
}

@test "no memory for unwind tables: cut short, counted, and it says what to do" {
	library=$(find /usr/lib -name 'libLLVM-*.so*' -type f | head -1)
	[ -n "$library" ] # clang's, which builds tprof
	LD_PRELOAD=$library record_faults "-F 999 --unwind-memory 1M" stacks 0.5
	right_totals r.json "$(ns_of said)" 999 5
	at_least "$(lost unwind_tables r.json)" 1
	[[ "$(jq -r '.notes[]' r.json)" == *"Raise --unwind-memory"* ]]
	figure tables "unwind_tables $(lost unwind_tables r.json), $(jq .cpu.samples r.json) samples of $(ns_of said) ns"
}
