#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The contract of report --json (docs/DESIGN.md): keys, types and order.

load common

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	cd "$BATS_FILE_TMPDIR" || return 1
	"$TPROF" record -d 1 -o r.tprof --json -- sh -c 'exec "$WORKLOADS/demo" >/dev/null' >record.json
	"$TPROF" report --json r.tprof >report.json
	export JSON=$BATS_FILE_TMPDIR/report.json
}

# The report satisfies this jq filter.
holds() {
	jq -e "$1" "$JSON" >/dev/null || {
		echo "does not hold: $1"
		return 1
	}
}

@test "record --json and report --json are the same report" {
	diff <(jq -S . "$BATS_FILE_TMPDIR/record.json") <(jq -S . "$JSON")
}

@test "top level" {
	holds '.format == 1'
	holds '.version | test("^[0-9]+\\.[0-9]+\\.[0-9]+$")'
	holds '.host | (.kernel | type == "string" and length > 0) and .cpus >= 1'
	holds '[.pids, .comm, .cmdline] == [.pids, .comm, .cmdline]'
	holds '["format","version","host","target","span","cpu","stacks","losses","threads",
		"functions","switches","thread_churn","locks","findings"] - keys == []'
}

@test "target and span" {
	holds '.target.pids | type == "array" and length == 1'
	holds '.target.comm == "demo"'
	holds '.target.cmdline | test("demo")'
	holds '.target | (.cgroup | type == "string") and (.container | type == "string")'
	holds '.span.start | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\\.[0-9]+)?Z$")'
	holds '.span.start | sub("\\.[0-9]+"; "") | fromdate > 1700000000'
	holds '.span.seconds > 0.9 and .span.seconds < 5'
}

@test "cpu" {
	holds '.cpu | .hz == 99 and .samples > 0 and .seconds > 0'
	holds '.cpu | (.percent - 100 * .seconds / '"$(jq .span.seconds "$JSON")"' | fabs) < 0.1'
}

@test "stacks: one pair per kind" {
	for kind in cpu offcpu lock wake spawn runq; do
		holds ".stacks.$kind | (.complete | type) == \"number\" and (.truncated | type) == \"number\""
	done
	holds '.stacks.cpu.complete + .stacks.cpu.truncated == .cpu.samples'
}

@test "losses: the named ones, all 0" {
	holds '["samples","stacks","events","map_full"] - (.losses | keys) == []'
	holds '[.losses[]] | all(. == 0)'
}

@test "threads: every key, most CPU first, their sum is the whole" {
	holds '.threads | length > 0'
	holds '.threads | all(
		["tid","comm","group","cpu_seconds","cpu_percent","voluntary_switches",
		 "involuntary_switches","futex_waits","futex_wait_seconds","offcpu_seconds",
		 "runq_seconds","blocked_in","top_function"] - keys == [])'
	holds '.threads | all((.blocked_in | type) == "object")'
	holds '[.threads[].cpu_seconds] | . == (sort | reverse)'
	holds '([.threads[].cpu_seconds] | add) - .cpu.seconds | fabs < 0.001'
}

@test "functions: every key, most self first, self <= total <= samples" {
	holds '.functions | length > 0'
	holds '.functions | all(["name","module","self","total"] - keys == [])'
	holds '[.functions[].self] | . == (sort | reverse)'
	holds '.cpu.samples as $n | .functions | all(.self <= .total and .total <= $n)'
}

@test "switches and churn: every key" {
	holds '["voluntary","involuntary","per_second","offcpu_seconds","runq_seconds"] -
		(.switches | keys) == []'
	holds '["created","exited","created_per_second","live_at_start","live_at_end",
		"lifetime_ms","groups"] - (.thread_churn | keys) == []'
	holds '["p50","p90","p99","max"] - (.thread_churn.lifetime_ms | keys) == []'
	holds '.thread_churn.groups | all(["name","created","exited","creators"] - keys == [])'
}

@test "locks: every key, most wait first" {
	holds '.locks | all(["address","type","name","waits","wait_seconds","max_wait_ms","waiters",
		"owners","wakers"] - keys == [])'
	holds '.locks | all(.type | IN("mutex","rwlock","condvar","semaphore","barrier","join",
		"park","other"))'
	holds '[.locks[].wait_seconds] | . == (sort | reverse)'
	holds '[.locks[].waiters[]] | all(["stack","waits","wait_seconds"] - keys == [])'
	holds '[.locks[].owners[]] | all(["tid","comm","waits"] - keys == [])'
	holds '[.locks[].wakers[]] | all(["stack","count"] - keys == [])'
}

@test "findings: every key" {
	holds '.findings | all(["id","severity","title","evidence","advice"] - keys == [])'
	holds '.findings | all(.severity | IN("high","medium","low"))'
	holds '.findings | all(.evidence | type == "object" and all(type == "number"))'
}

@test "check --json" {
	"$TPROF" check --json >"$BATS_TEST_TMPDIR/check.json"
	JSON=$BATS_TEST_TMPDIR/check.json
	holds '.works == true'
	holds '.checks | length > 3 and all(["what","ok","required","found","remedy"] - keys == [])'
}
