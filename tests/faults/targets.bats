# SPDX-License-Identifier: BSD-2-Clause
# limit: 600
# Targets that do what a profiler would rather not see: totals stay right, what is lost is counted.

load faults

setup() {
	need_bpf
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	reap "${tprof:-}" "${child:-}"
}

@test "the target is killed: what was recorded is there, with its names" {
	"$WORKLOADS/cpu_burn" 60 >/dev/null 3>&- &
	child=$!
	record_start r -F 999 -p $child
	sleep 0.5
	kill -KILL $child
	wait $tprof
	json r.tprof >r.json
	at_least "$(folded r.tprof | samples_of '^cpu_burn;.*;burn')" \
		"$(jq '.cpu.samples * 0.9' r.json)"
	[ "$(jq '[.losses[]] | add' r.json)" = 0 ]
}

@test "the command is killed" {
	"$TPROF" record -q -F 999 -o r.tprof -- sh -c '
		"$WORKLOADS/cpu_burn" 0.3
		kill -KILL $$'
	at_least "$(folded r.tprof | samples_of '^cpu_burn;.*;burn')" 200
}

@test "exec 200 times in a row: one process, one thread, all its time" {
	record_faults "-F 999" exec 200
	# a sample that was due while the CPU was busy moving the task finds it after that: more of them
	right_totals r.json "$(ns_of said)" 999 20
	near "$(jq .threads[0].cpu_seconds r.json)" "$(awk "BEGIN {print $(ns_of said) / 1e9}")" 0.02
	[ "$(jq -c '[.target.pids, .threads] | map(length)' r.json)" = "[1,1]" ]
	[ "$(jq '[.losses[]] | add' r.json)" = 0 ]
	figure exec "$(jq -r '"\(.cpu.samples) samples, \(.threads[0].cpu_seconds) s"' r.json) of $(ns_of said) ns"
}

@test "fork 1,000 times a second, with children: each process, all their time" {
	# 999 Hz would be in step with the forks: each sampled at the same moment of its life
	record_faults "-F 787" forks 1000 5000
	right_totals r.json "$(ns_of said)" 787 5
	[ "$(jq .thread_churn.processes_forked r.json)" = 5000 ]
	[ "$(jq '[.losses[]] | add' r.json)" = 0 ]
	figure forks "$(jq -r '"\(.thread_churn.processes_forked) processes, \(.cpu.samples) samples, \([.threads[].cpu_seconds] | add) s"' r.json) of $(ns_of said) ns"
}

@test "fork 1,000 times a second, the whole system recorded" {
	"$TPROF" record -q -F 999 -a -o r.tprof 3>&- &
	tprof=$!
	await counts $tprof
	"$WORKLOADS/faults" forks 1000 2000 >said
	record_stop
	json r.tprof >r.json
	# by the stacks' own sum: other programs run as well
	seconds=$(jq '[.threads[] | select(.comm == "faults") | .cpu_seconds] | add' r.json)
	near "$seconds" "$(awk "BEGIN {print $(ns_of said) / 1e9}")" \
		"$(awk "BEGIN {print $(ns_of said) / 1e9 * 0.15}")"
	[ "$(lost samples r.json)" = 0 ]
	figure forks-a "$seconds s of $(ns_of said) ns"
}

@test "sampled code is unloaded, again and again" {
	record_faults "-F 999" dlclose 40
	right_totals r.json "$(ns_of said)" 999 5
	folded r.tprof >stacks
	# what was sampled before a mapping was known may bear the other name, or none
	at_least "$(samples_of ';(red|blue)_work' <stacks)" "$(jq '.cpu.samples * 0.6' r.json)"
	run ! grep -qE '_work.*;(red|blue)_work' stacks
	figure dlclose "$(samples_of ';(red|blue)_work' <stacks) of $(jq .cpu.samples r.json) samples named"
}

@test "threads unmap their own stacks: the frames that are left, marked as cut" {
	record_faults "-F 999" unstack 0.5
	right_totals r.json "$(ns_of said)" 999 5
	folded r.tprof >stacks
	at_least "$(samples_of '^faults;\[truncated\];(deep;)?unmap_above;burn_forever' <stacks)" 300
	# nothing is missing of what lies above
	at_least "$(samples_of ';deep;unmap_below;burn_forever' <stacks)" 300
	[ "$(grep -c '_start;.*unmap_above' stacks)" = 0 ]
}
