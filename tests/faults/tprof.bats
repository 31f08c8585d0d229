# SPDX-License-Identifier: BSD-2-Clause
# limit: 600
# What can happen to tprof itself.

load faults

setup() {
	need_bpf
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	[ -z "${cpu:-}" ] || echo 1 >"$cpu/online"
	# shellcheck disable=SC2086
	reap "${tprof:-}" "${child:-}" ${many:-}
}

burner() {
	"$WORKLOADS/cpu_burn" 600 >/dev/null 3>&- &
	child=$!
}

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# ── SIGKILL ─────────────────────────────────────────────────────────────────────────────────────

# One recording that is killed: in its PHASE, at THOUSANDTHS of that. A line: the phase, or "ended" when
# it was through before.
killed() { # PHASE THOUSANDTHS
	local pid word=$1
	"$TPROF" record -q -p "$child" -d 10 -o x.tprof -o x.html >/dev/null 2>&1 3>&- &
	pid=$!
	if [ "$1" != preparing ]; then
		await counts_or_gone $pid
	fi
	[ "$1" != finishing ] || kill -INT $pid
	case $1 in
	preparing) sleep_ms $((prepare_ms * $2 / 1000)) ;;
	recording) sleep_ms $((300 * $2 / 1000)) ;;
	finishing) sleep_ms $((finish_ms * $2 / 1000)) ;;
	esac
	kill -KILL $pid 2>/dev/null || true
	wait $pid && word=ended
	echo "$word"
	# whole files or none
	find . -type f ! -name x.tprof ! -name x.html >>../left
	[ ! -e x.tprof ] || "$TPROF" report x.tprof >/dev/null || echo unreadable >>../left
	[ ! -e x.html ] || tail -c 20 x.html | grep -q '</html>' || echo "half a page" >>../left
	rm -f x.tprof x.html
}

sleep_ms() { sleep "$(awk "BEGIN {print $1 / 1000}")"; }

@test "SIGKILL at 100 random moments: nothing stays, in the kernel or on disk" {
	burner
	bpf_ids >before
	# how long each phase takes here and now
	begin=$(now_ms)
	record_start timing -p $child
	prepare_ms=$(($(now_ms) - begin))
	ids=$(sed -n 's/^\(prog\|map\)_id:[[:space:]]*/\1 /p' /proc/$tprof/fdinfo/* | sort -u)
	memory=$(bpf_memory <<<"$ids")
	begin=$(now_ms)
	record_stop
	finish_ms=$(($(now_ms) - begin))
	RANDOM=1
	for phase in preparing recording finishing finishing; do
		mkdir -p in-$BASHPID-$((++n))
		(
			cd in-*-$n || exit 1
			RANDOM=$n
			for _ in {1..25}; do
				killed $phase $((RANDOM % 1000))
			done
		) >killed-$n 3>&- &
		workers+=" $!"
	done
	# shellcheck disable=SC2086
	wait $workers
	sort killed-* | uniq -c
	[ "$(cat killed-* | wc -l)" = 100 ]
	[ ! -s left ] || { cat left; false; }
	await none_own
	for _ in {1..5}; do await bpf_none_new before && break; done
	bpf_new before
	bpf_none_new before
	[ "$(bpf_new before | bpf_memory)" = 0 ]
	figure sigkill "$(sort killed-* | uniq -c | awk '{printf "%s%s %s", sep, $2, $1; sep = ", "}'); BPF memory of one recording $memory bytes, left 0"
}

# ── memory ──────────────────────────────────────────────────────────────────────────────────────

@test "memory runs out, at places all over a recording's life" {
	"$BATS_TEST_DIRNAME/alloc_sites" "$TPROF_BUILD" 15 1 >alloc.log 2>&1 || { cat alloc.log; false; }
	figure alloc "$(tail -1 alloc.log)"
}

# ── several at once ─────────────────────────────────────────────────────────────────────────────

@test "two tprofs on one target: both are right" {
	"$WORKLOADS/faults" still 1.5 <<<"" >said 3>&- &
	child=$!
	"$TPROF" record -q -F 999 -p $child -o a.tprof &
	many=$!
	"$TPROF" record -q -F 499 -p $child -o b.tprof &
	many+=" $!"
	wait $child
	# shellcheck disable=SC2086
	wait $many
	for f in a b; do json $f.tprof >$f.json; done
	for f in a b; do
		[ "$(jq '[.losses[]] | add' $f.json)" = 0 ]
		at_least "$(folded $f.tprof | samples_of ';burn_until')" 100
		# samples are the time that the other way of counting says
		near "$(jq '.cpu.samples / .cpu.hz' $f.json)" "$(jq .cpu.seconds $f.json)" 0.15
	done
	figure two "$(jq -r '"\(.cpu.samples) samples at \(.cpu.hz) Hz in \(.cpu.seconds) s"' a.json b.json | paste -sd,)"
}

# VmHWM in KB
peak() { awk '$1 == "VmHWM:" {print $2}' /proc/"$1"/status; }

@test "24 tprofs at once: all record, memory is bounded, nothing is left" {
	burner
	bpf_ids >before
	for i in {1..24}; do
		"$TPROF" record -q -p $child -o $i.tprof 2>$i.err &
		many+=" $!"
	done
	all_count() { for pid in $many; do counts "$pid" || return 1; done; }
	for _ in {1..6}; do await all_count 2>/dev/null && break; done
	all_count
	sleep 0.5
	peak=0
	for pid in $many; do
		own=$(peak "$pid")
		[ "$own" -le $peak ] || peak=$own
	done
	kernel=$(bpf_new before | bpf_memory)
	at_least "$kernel" 1000000
	for pid in $many; do kill -INT "$pid"; done
	for pid in $many; do wait "$pid"; done
	for i in {1..24}; do
		[ ! -s $i.err ]
		at_least "$(json $i.tprof | jq .cpu.samples)" 5
	done
	[ "$peak" -lt 65536 ]
	[ "$kernel" -lt $((24 * 32 << 20)) ]
	await none_own
	for _ in {1..3}; do await bpf_none_new before && break; done
	bpf_new before # shown where it is not empty
	bpf_none_new before
	figure 24 "peak RSS of one $peak KB, BPF memory of all $kernel bytes"
}

# ── the host ────────────────────────────────────────────────────────────────────────────────────

@test "a CPU goes offline and comes back while its only program is recorded" {
	cpu=/sys/devices/system/cpu/cpu1
	if ! [ -w $cpu/online ] || ! echo 0 >$cpu/online 2>/dev/null; then
		cpu=
		skip "host: CPU 1 cannot be taken offline"
	fi
	echo 1 >$cpu/online
	"$WORKLOADS/cpu_burn" 2 >said 3>&- &
	child=$!
	record_start r -F 999 -p $child
	taskset -p -c 1 $child >/dev/null
	for _ in 1 2 3; do
		echo 0 >$cpu/online
		sleep 0.1
		echo 1 >$cpu/online
		sleep 0.1
	done
	wait $child
	wait $tprof
	json r.tprof >r.json
	# what is due between the CPU's coming and tprof's hearing of it is no sample
	near "$(jq '.cpu.samples / 999' r.json)" "$(jq .cpu.seconds r.json)" 0.3
	[ "$(lost samples r.json)" = 0 ]
	figure cpu "$(jq -r '"\(.cpu.samples) samples in \(.cpu.seconds) s"' r.json)"
}

@test "the wall clock jumps: times are right, only the date of the start is its word" {
	LD_PRELOAD=$WORKLOADS/libclock_step.so "$TPROF" record -q -F 999 -o r.tprof -- \
		env -u LD_PRELOAD "$WORKLOADS/faults" still 1 </dev/null >said
	json r.tprof >r.json
	right_totals r.json "$(ns_of said)" 999 5
	[ "$(jq '.span.seconds >= 1 and .span.seconds < 60' r.json)" = true ]
}

# ── the disk ────────────────────────────────────────────────────────────────────────────────────

@test "disk full: recording and exports on one small disk, nothing half written" {
	mkdir full elsewhere
	run unshare -m sh -c '
		mount -t tmpfs -o size=64k none full &&
		dd if=/dev/zero of=full/taken bs=1k count=56 status=none &&
		TMPDIR=$PWD/elsewhere timeout 60 "$TPROF" record -q -F 999 -o full/x.tprof -o full/x.html \
			-o full/x.svg -o full/x.pb.gz -o full/x.folded -o full/x.json -- "$WORKLOADS/faults" forks 500 100
		echo "status $?"
		rm full/taken
		for f in full/*; do
			[ -s "$f" ] || echo "empty: $f"
		done
		ls -A full'
	echo "$output"
	[[ $output == *"status 1"* ]]
	[[ $output == *"x.tprof: "*"No space left on device"*"the recording is in"* ]]
	[[ $output == *"x.html: No space left on device"* ]]
	[[ $output != *"empty: "* && $output != *".tmp"* ]]
	"$TPROF" report elsewhere/*x.tprof >/dev/null
}
