#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Comparisons of real recordings: a steady program has not changed, a growing list has.

load live.bash

setup() {
	need_bpf
	target=
}

teardown() { reap $target; }

# Programs have the first claim to the CPUs: what the rest of the machine takes from them is a change too.

@test "a list that grows: early against late names the walk first" {
	cd "$BATS_TEST_TMPDIR" || return
	"$TPROF" record -q -F 499 -o grow.tprof -- chrt -r 1 "$WORKLOADS/list_grow" 14
	"$TPROF" diff grow.tprof@0s-4s grow.tprof@9s-13s --json -o grow.html >grow.json
	jq -e '.functions[0] | .name == "walk_entries" and .self.significant and
		.self.b > 1.8 * .self.a' grow.json
	run node "$BATS_TEST_DIRNAME/../browser/grown.js" grow.html
	echo "$output"
	[ "$output" = walk_entries ]
}

@test "a steady program: ten pairs of recordings show no change, by time and by total" {
	cd "$BATS_TEST_TMPDIR" || return
	taskset -c 0 chrt -r 1 "$WORKLOADS/cpu_split" 120 >/dev/null 3>&- &
	target=$!
	local named=0 i
	for i in {0..10}; do
		"$TPROF" record -q -F 499 -d 2 -p "$target" -o "$i.tprof"
	done
	for i in {0..9}; do
		for by in time total; do
			"$TPROF" diff "$i.tprof" $((i + 1)).tprof --normalize $by --json >pair.json
			jq -e '.functions | length > 3' pair.json
			[ "$(jq .significant pair.json)" = 0 ] || { named=$((named + 1)); cat pair.json; }
		done
	done
	[ "$named" = 0 ]
	"$TPROF" diff 0.tprof 1.tprof | grep -q "no function changed significantly"
}

@test "two programs: a note, and the comparison goes on" {
	cd "$BATS_TEST_TMPDIR" || return
	"$TPROF" record -q -o a.tprof -- "$WORKLOADS/cpu_split" 1
	"$TPROF" record -q -o b.tprof -- "$WORKLOADS/list_grow" 1
	run --separate-stderr "$TPROF" diff a.tprof b.tprof
	[ "$status" = 0 ]
	[[ $stderr == *"two programs are compared, cpu_split and list_grow"* ]]
	[[ $output == *"cpu_split"* || $output == *"on-CPU"* ]]
}

@test "wrong use: one line and exit 2; a missing file: exit 1" {
	cd "$BATS_TEST_TMPDIR" || return
	run "$TPROF" diff a.tprof
	[ "$status" = 2 ] && [ "${#lines[@]}" = 1 ]
	run "$TPROF" diff a.tprof b.tprof -o x.png
	[ "$status" = 2 ] && [ "${#lines[@]}" = 1 ]
	run "$TPROF" diff a.tprof b.tprof --normalize mass
	[ "$status" = 2 ] && [ "${#lines[@]}" = 1 ]
	run "$TPROF" diff none.tprof none.tprof
	[ "$status" = 1 ] && [ "${#lines[@]}" = 1 ]
}
