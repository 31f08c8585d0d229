# SPDX-License-Identifier: BSD-2-Clause
# Targets that exec, load, exit; tprof that is killed; CPUs that go.

load live

setup() { need_bpf; }

teardown() {
	[ -z "${cpu:-}" ] || echo 1 >"$cpu/online"
	reap "${tprof:-}" "${burner:-}"
}

@test "exec in the target: both programs by name" {
	"$TPROF" record -q -F 999 -o "$BATS_TEST_TMPDIR/e.tprof" -- "$WORKLOADS/cpu_burn" 0.3 exec \
		>/dev/null
	folded "$BATS_TEST_TMPDIR/e.tprof" >"$BATS_TEST_TMPDIR/folded"
	at_least "$(samples_of ';before_exec' <"$BATS_TEST_TMPDIR/folded")" 180
	at_least "$(samples_of ';burn' <"$BATS_TEST_TMPDIR/folded")" 270
	# one process, one thread: exec changes neither
	[ "$(json "$BATS_TEST_TMPDIR/e.tprof" | jq -c '[.target.pids, .threads] | map(length)')" = "[1,1]" ]
}

@test "exec of a process that runs already" {
	mkfifo "$BATS_TEST_TMPDIR/go"
	sh -c 'read -r _; exec "$WORKLOADS/cpu_burn" 0.5' <>"$BATS_TEST_TMPDIR/go" >/dev/null 3>&- &
	burner=$!
	record_start x -F 999 -p $burner
	echo go >"$BATS_TEST_TMPDIR/go"
	wait $tprof
	at_least "$(folded "$BATS_TEST_TMPDIR/x.tprof" | samples_of '^cpu_burn;.*;burn')" 400
}

@test "the end of the target ends the recording, and names survive it" {
	"$WORKLOADS/cpu_burn" 0.5 >/dev/null 3>&- &
	burner=$!
	record_start end -F 999 -p $burner
	wait $tprof
	at_least "$(folded "$BATS_TEST_TMPDIR/end.tprof" | samples_of ';burn')" 50
}

@test "names survive the file too" {
	cp "$WORKLOADS/cpu_burn" "$BATS_TEST_TMPDIR/deleted"
	"$BATS_TEST_TMPDIR/deleted" 0.5 >/dev/null 3>&- &
	burner=$!
	await test -e /proc/$burner/exe
	await grep -q deleted /proc/$burner/comm
	rm "$BATS_TEST_TMPDIR/deleted"
	record_start gone -F 999 -p $burner
	wait $tprof
	at_least "$(folded "$BATS_TEST_TMPDIR/gone.tprof" | samples_of ';burn')" 50
}

@test "dlopen, and another library in the place of the first" {
	"$TPROF" record -q -F 999 -o "$BATS_TEST_TMPDIR/dl.tprof" -- "$WORKLOADS/dl_reload" 500 \
		>"$BATS_TEST_TMPDIR/where"
	[ "$(awk '{print $2}' "$BATS_TEST_TMPDIR/where" | uniq | wc -l)" = 1 ]
	folded "$BATS_TEST_TMPDIR/dl.tprof" >"$BATS_TEST_TMPDIR/folded"
	at_least "$(samples_of ';red_work' <"$BATS_TEST_TMPDIR/folded")" 350
	# what was sampled before the new mapping was known may bear the old name
	at_least "$(samples_of ';blue_work' <"$BATS_TEST_TMPDIR/folded")" 350
}

ids() { awk -v key="$1:" '$1 == key {print $2}' /proc/"$tprof"/fdinfo/*; }

none_left() {
	for id in $progs; do ! bpftool prog show id "$id" >/dev/null 2>&1 || return 1; done
	for id in $maps; do ! bpftool map show id "$id" >/dev/null 2>&1 || return 1; done
	for id in $links; do ! bpftool link show id "$id" >/dev/null 2>&1 || return 1; done
}

@test "after SIGKILL nothing stays attached" {
	"$WORKLOADS/cpu_burn" 60 >/dev/null 3>&- &
	burner=$!
	record_start k -F 99 -p $burner
	progs=$(ids prog_id) maps=$(ids map_id) links=$(ids link_id)
	[ -n "$progs" ] && [ -n "$maps" ] && [ -n "$links" ]
	kill -KILL $tprof
	wait $tprof || true
	await none_left
	[ ! -e "$BATS_TEST_TMPDIR/k.tprof" ]
}

@test "a CPU that goes offline and comes back is sampled again" {
	cpu=/sys/devices/system/cpu/cpu1
	if ! [ -w $cpu/online ] || ! echo 0 >$cpu/online; then
		cpu=
		skip "host: CPU 1 cannot be taken offline"
	fi
	echo 1 >$cpu/online
	record_start cpu -F 999 -a
	# its ring of new mappings goes with it, and comes with it
	rings() { grep -c 'perf_event' /proc/$tprof/maps; }
	all=$(rings)
	echo 0 >$cpu/online
	await eval '[ "$(rings)" = '$((all - 1))' ]'
	echo 1 >$cpu/online
	await eval '[ "$(rings)" = '"$all"' ]'
	taskset -c 1 nice -n -15 "$WORKLOADS/cpu_burn" 1 >/dev/null
	record_stop
	at_least "$(folded "$BATS_TEST_TMPDIR/cpu.tprof" | samples_of '^cpu_burn;.*;burn')" 900
}
