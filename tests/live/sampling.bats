# SPDX-License-Identifier: BSD-2-Clause
# Are the samples the CPU time? One recording of 10 s, many questions.

load live

setup_file() {
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR need_bpf
	export SPLIT=$BATS_FILE_TMPDIR/split.tprof
	"$TPROF" record -q -F 999 -o "$SPLIT" -- "$WORKLOADS/cpu_split" 10 \
		>"$BATS_FILE_TMPDIR/truth"
	json "$SPLIT" >"$BATS_FILE_TMPDIR/json"
	folded "$SPLIT" --threads >"$BATS_FILE_TMPDIR/folded"
}

truth_ns() { awk -v name="$1" '$1 ~ name {n += $3} END {print n}' "$BATS_FILE_TMPDIR/truth"; }
thread() { jq "[.threads[] | select(.comm == \"$1\") | .cpu_seconds] | add" "$BATS_FILE_TMPDIR/json"; }

@test "two functions share CPU 3:1, within 2 points" {
	three=$(samples_of ';three' <"$BATS_FILE_TMPDIR/folded")
	one=$(samples_of ';one' <"$BATS_FILE_TMPDIR/folded")
	near "$(awk "BEGIN {print 100 * $three / ($three + $one)}")" 75 2
}

@test "two threads share CPU 2:1, within 2 points" {
	two=$(samples_of '^two-thirds' <"$BATS_FILE_TMPDIR/folded")
	one=$(samples_of '^one-third' <"$BATS_FILE_TMPDIR/folded")
	near "$(awk "BEGIN {print 100 * $two / ($two + $one)}")" 66.67 2
}

@test "samples are CPU time times frequency, within 1 %" {
	expected=$(awk "BEGIN {print $(truth_ns .) / 1e9 * 999}")
	near "$(jq .cpu.samples "$BATS_FILE_TMPDIR/json")" "$expected" \
		"$(awk "BEGIN {print $expected / 100}")"
}

@test "CPU seconds of each thread are those of its own clock, within 2 %" {
	for name in two-thirds one-third; do
		expected=$(awk "BEGIN {print $(truth_ns $name) / 1e9}")
		near "$(thread $name)" "$expected" "$(awk "BEGIN {print $expected / 50}")"
	done
}

@test "without the scheduler's hooks CPU seconds are samples, within 2 %" {
	"$TPROF" record -q -F 999 --no-waits --no-threads \
		-o "$BATS_TEST_TMPDIR/plain.tprof" -- "$WORKLOADS/cpu_burn" 3 >"$BATS_TEST_TMPDIR/truth"
	near "$(json "$BATS_TEST_TMPDIR/plain.tprof" | jq '.threads[0].cpu_seconds')" \
		"$(awk '{print $1 / 1e9}' "$BATS_TEST_TMPDIR/truth")" 0.06
}

@test "nothing was lost" {
	run jq -c '.losses | to_entries[] | select(.value != 0)' "$BATS_FILE_TMPDIR/json"
	[ "$output" = "" ]
}

# In real time: on a busy machine chance takes a sample more or less from who runs half of the time.
@test "threads that live for 10 ms give 95 % of the expected samples at 99 Hz" {
	chrt=""
	! chrt -f 1 true 2>/dev/null || chrt="chrt -f 1"
	# shellcheck disable=SC2086
	"$TPROF" record -q -F 99 -o "$BATS_TEST_TMPDIR/churn.tprof" -- \
		$chrt "$WORKLOADS/cpu_churn" 500 >"$BATS_TEST_TMPDIR/truth"
	expected=$(awk '{print $1 / 1e9 * 99}' "$BATS_TEST_TMPDIR/truth")
	at_least "$(json "$BATS_TEST_TMPDIR/churn.tprof" | jq .cpu.samples)" \
		"$(awk "BEGIN {print $expected * 0.95}")"
}

@test "the first instruction is covered: a program of 50 ms" {
	"$TPROF" record -q -F 999 -o "$BATS_TEST_TMPDIR/short.tprof" -- \
		"$WORKLOADS/cpu_burn" 0.05 >"$BATS_TEST_TMPDIR/truth"
	at_least "$(json "$BATS_TEST_TMPDIR/short.tprof" | jq .cpu.samples)" 45
	# it was held until its unwind tables were there
	folded "$BATS_TEST_TMPDIR/short.tprof" >"$BATS_TEST_TMPDIR/short"
	[ "$(samples_of '\[truncated\].*burn' <"$BATS_TEST_TMPDIR/short")" -eq 0 ]
}
