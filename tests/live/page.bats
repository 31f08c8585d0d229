#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The formats that others read, made of a real multithreaded server: Redis with I/O threads under load.

load live.bash

setup_file() {
	export HERE=$BATS_TEST_DIRNAME
	"$TPROF" check >/dev/null 2>&1 || return 0
	command -v redis-server >/dev/null || return 0
	cd "$BATS_FILE_TMPDIR" || return
	redis-server --port 0 --unixsocket "$PWD/sock" --io-threads 4 --io-threads-do-reads yes --save '' \
		--appendonly no >log 2>&1 3>&- &
	local server=$!
	await test -S sock
	redis-benchmark -s sock -q -c 40 -n 100000000 -t set,get -P 4 >/dev/null 2>&1 3>&- &
	local load=$!
	sleep 0.3
	"$TPROF" record -q -F 499 -d 4 -p "$server" --lines -o redis.tprof -o redis.html -o redis.svg -o redis.folded \
		-o redis.pb.gz -o redis.json -o redis.speedscope.json -o redis.firefox.json -o redis.txt
	kill "$load" "$server"
}

setup() {
	need_bpf
	command -v redis-server >/dev/null || skip "host: no redis-server"
	cd "$BATS_FILE_TMPDIR" || return
}

@test "the page: every control, against the folded text" {
	command -v chromium >/dev/null || skip "host: no chromium"
	run node "$HERE/../browser/tour.js" redis.tprof redis.html
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep -c '^ok' <<<"$output")" -ge 16 ]
}

@test "several threads, whole stacks" {
	[ "$("$TPROF" export redis.tprof --threads | cut -d';' -f1 | sort -u | wc -l)" -ge 4 ]
	jq -e '.stacks.cpu | .complete > 20 * .truncated' redis.json
}

@test "record -o: each format is what export makes of the recording" {
	for f in folded svg pb.gz speedscope.json firefox.json; do
		"$TPROF" export redis.tprof -o "again.$f"
		cmp "redis.$f" "again.$f"
	done
	"$TPROF" flamegraph redis.tprof -o again.html
	cmp redis.html again.html
	"$TPROF" report redis.tprof --json | cmp - redis.json
}

pprof() { # ARGUMENTS…: what go tool pprof says, one space between words
	command -v go >/dev/null || skip "host: no go (Debian: golang-go)"
	PPROF_TMPDIR=$PWD go tool pprof -symbolize=none "$@" 2>/dev/null | tr -s ' '
}

@test "pprof: mappings have build IDs, samples threads, the profile its time and period" {
	pprof -raw redis.pb.gz >raw
	grep -qx 'PeriodType: cpu nanoseconds' raw
	grep -qx 'Period: 2004008' raw
	grep -qE '^Duration: 4\.?[0-9]*$' raw
	grep -qE '^samples/count cpu/nanoseconds' raw
	for kind in offcpu lock wake spawn runq; do
		sed -n '/^samples\/count/p' raw | grep -qE " $kind" || ! "$TPROF" export redis.tprof --kind $kind | grep -q .
	done
	# the program's own build ID, as the ELF file has it
	id=$(readelf -n "$(command -v redis-server)" | sed -n 's/.*Build ID: //p')
	sed -n '/^Mappings/,$p' raw | grep -q "redis-.* $id"
	grep -qE 'thread:\[(io_thd_[0-9]|redis-server)' raw
}

@test "pprof: -top has the functions of the report" {
	top=$(jq -r '[.functions[] | select(.name | startswith("[") | not)][0].name' redis.json)
	pprof -top -sample_index=samples redis.pb.gz | sed -n 1,14p | grep -qF " $top"
}

@test "pprof: lines and inlined calls of a program with debug information" {
	"$TPROF" record -q -F 999 --lines -o names.pb.gz -o names.folded -- "$WORKLOADS/names" 1 cpp
	pprof -raw names.pb.gz >raw
	grep -qE 'names\.cc:[1-9]' raw
	# a location of two lines: the inlined call first, then who has it inlined
	grep -A1 -E '^ +[0-9]+: 0x.* app::mix .*names\.cc:[1-9]' raw | grep -E '^ +app::Engine<int>::turn .*names\.cc:[1-9]'
	grep -q ';app::Engine<int>::turn;app::mix_\[i\]' names.folded
}

@test "firefox and speedscope: samples of both are those of the folded text" {
	n=$(awk '{ n += $NF } END { print n }' redis.folded)
	[ "$(jq '[.threads[].samples.weight | add // 0] | add' redis.firefox.json)" = "$n" ]
	[ "$(jq '[.profiles[] | select(.name == "on-CPU").samples | length] | add' redis.speedscope.json)" -gt 3 ]
	jq -e --argjson n "$n" '.profiles[0] | .name == "on-CPU" and
		((.weights | add) - $n * 2004.008 | fabs) < 100' redis.speedscope.json
}
