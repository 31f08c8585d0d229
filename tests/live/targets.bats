# SPDX-License-Identifier: BSD-2-Clause
# Who is recorded, and who is not.

load live

setup() {
	need_bpf
	cd "$BATS_TEST_TMPDIR" || return
	burners=()
}

teardown() {
	reap "${tprof:-}" "${burners[@]}"
	[ -z "${cgroup:-}" ] || await remove_cgroups
}

# A program that burns for a long time; its PID in $burner.
burner() {
	"$@" >/dev/null 3>&- &
	burner=$!
	burners+=("$burner")
}

thread_named() { ps -L -o lwp=,comm= -p "$2" | awk -v n="$1" '$2 == n {print $1; f = 1} END {exit !f}'; }
zombie_of() { ps -o pid=,stat= --ppid "$1" | awk '$2 ~ /^Z/ {print $1; f = 1} END {exit !f}'; }

pids() { json "$1" | jq -c '[.threads[].tid] | sort'; }

@test "-p with two processes, and no other" {
	burner "$WORKLOADS/cpu_burn" 60
	a=$burner
	burner "$WORKLOADS/cpu_burn" 60
	b=$burner
	burner "$WORKLOADS/cpu_burn" 60
	"$TPROF" record -q -F 199 -d 1 -p "$a,$b" -o "$BATS_TEST_TMPDIR/a.tprof"
	[ "$(pids "$BATS_TEST_TMPDIR/a.tprof")" = "$(jq -cn "[$a, $b] | sort")" ]
}

@test "-t takes one thread" {
	burner "$WORKLOADS/cpu_split" 60
	await thread_named two-thirds "$burner"
	tid=$(thread_named two-thirds "$burner")
	"$TPROF" record -q -F 199 -d 1 -t "$tid" -o "$BATS_TEST_TMPDIR/t.tprof"
	[ "$(json "$BATS_TEST_TMPDIR/t.tprof" | jq -c '[.threads[].comm]')" = '["two-thirds"]' ]
}

@test "-a takes all, but not tprof itself" {
	burner "$WORKLOADS/cpu_burn" 60
	record_start a -F 999 -a
	sleep 1
	me=$tprof
	record_stop
	json "$BATS_TEST_TMPDIR/a.tprof" >"$BATS_TEST_TMPDIR/json"
	at_least "$(folded "$BATS_TEST_TMPDIR/a.tprof" | samples_of '^cpu_burn;.*;burn')" 50
	[ "$(jq "[.threads[] | select(.tid == $me)] | length" "$BATS_TEST_TMPDIR/json")" = 0 ]
}

@test "children of a command are followed" {
	"$TPROF" record -q -F 999 -o "$BATS_TEST_TMPDIR/c.tprof" -- "$WORKLOADS/cpu_burn" 0.5 fork \
		>/dev/null
	at_least "$(folded "$BATS_TEST_TMPDIR/c.tprof" | samples_of ';burn')" 450
}

@test "children of a process only with --follow" {
	parent='exec <>"$0"; while read -r _; do "$WORKLOADS/cpu_burn" 0.3; touch "$0-done"; done'
	for follow in "" --follow; do
		mkfifo "$BATS_TEST_TMPDIR/go$follow"
		burner sh -c "$parent" "$BATS_TEST_TMPDIR/go$follow"
		# shellcheck disable=SC2086
		record_start "f$follow" -F 999 -p "$burner" $follow
		echo go >"$BATS_TEST_TMPDIR/go$follow"
		await test -e "$BATS_TEST_TMPDIR/go$follow-done"
		record_stop
	done
	[ "$(folded "$BATS_TEST_TMPDIR/f.tprof" | samples_of ';burn')" = 0 ]
	at_least "$(folded "$BATS_TEST_TMPDIR/f--follow.tprof" | samples_of ';burn')" 100
}

@test "a process in another PID namespace, by the number that it has here" {
	burner unshare -fp --mount-proc "$WORKLOADS/cpu_burn" 60
	await pgrep -P "$burner"
	pid=$(pgrep -P "$burner")
	burners+=("$pid")
	await grep -q cpu_burn "/proc/$pid/comm"
	"$TPROF" record -q -F 199 -d 1 -p "$pid" -o "$BATS_TEST_TMPDIR/ns.tprof"
	[ "$(pids "$BATS_TEST_TMPDIR/ns.tprof")" = "[$pid]" ]
	at_least "$(folded "$BATS_TEST_TMPDIR/ns.tprof" | samples_of ';burn')" 50
}

@test "tprof in a PID namespace of its own: PIDs as it sees them" {
	run unshare -fp --mount-proc sh -c '
		"$WORKLOADS/cpu_burn" 60 >/dev/null & pid=$!
		"$TPROF" record -q -F 199 -d 1 -p $pid -o "$0/in.tprof" && echo $pid
		kill $pid' "$BATS_TEST_TMPDIR"
	[ "$status" = 0 ]
	[ "$output" -lt 20 ]
	[ "$(pids "$BATS_TEST_TMPDIR/in.tprof")" = "[$output]" ]
	at_least "$(folded "$BATS_TEST_TMPDIR/in.tprof" | samples_of ';burn')" 50
}

# A cgroup of this test in $cgroup, and below it those that are named.
make_cgroups() {
	local mount below
	mount=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/self/mounts)
	[ -n "$mount" ] || skip "host: no cgroup2 file system is mounted"
	cgroup=$mount/tprof-test-$$-$BATS_TEST_NUMBER
	mkdir "$cgroup" || skip "host: cgroups cannot be made here"
	for below in "$@"; do mkdir -p "$cgroup/$below"; done
}

# Processes that were killed leave them a moment later.
remove_cgroups() { find "$cgroup" -depth -type d -exec rmdir {} + && [ ! -e "$cgroup" ]; }

@test "--cgroup takes what is in a cgroup and below" {
	make_cgroups below
	burner "$WORKLOADS/cpu_burn" 60
	inside=$burner
	echo "$inside" >"$cgroup/below/cgroup.procs"
	burner "$WORKLOADS/cpu_burn" 60
	"$TPROF" record -q -F 199 -d 1 --cgroup "/${cgroup##*/}" -o "$BATS_TEST_TMPDIR/g.tprof"
	[ "$(pids "$BATS_TEST_TMPDIR/g.tprof")" = "[$inside]" ]
}

@test "--cgroup, what enters later; the containers of Docker, containerd and Podman by their cgroups" {
	id=$(printf '%064d' 0 | tr 0 c)
	docker=docker/a${id:1}
	containerd=kubepods.slice/kubepods-pod1f_2e.slice/cri-containerd-b${id:1}.scope
	podman=machine.slice/libpod-$id.scope/container
	make_cgroups $docker $containerd $podman
	record_start c -F 199 --cgroup "/${cgroup##*/}"
	for scope in $docker $containerd $podman; do
		burner "$WORKLOADS/cpu_burn" 60
		echo "$burner" >"$cgroup/$scope/cgroup.procs"
	done
	for pid in "${burners[@]}"; do await_cpu "$pid" 10; done
	record_stop
	at_least "$(folded "$BATS_TEST_TMPDIR/c.tprof" | samples_of '^cpu_burn;.*;burn')" 40
	for scope in $docker $containerd $podman; do echo "/${cgroup##*/}/$scope"; done | sort >asked
	sqlite3 "$BATS_TEST_TMPDIR/c.tprof" 'select c.text, i.text from processes p
		join strings c on c.id = p.cgroup join strings i on i.id = p.container' | sort >known
	cat known
	cut -d'|' -f1 known | diff asked -
	[ "$(cut -d'|' -f2 known | sort)" = "$(printf '%s\n' "a${id:1}" "b${id:1}" "$id")" ]

	pid=${burners[0]}
	"$TPROF" record -q -F 199 -d 200ms --json -p "$pid" -o "$BATS_TEST_TMPDIR/d.tprof" >report.json
	jq -e --arg c "/${cgroup##*/}/$docker" --arg i "a${id:1}" \
		'.target | .cgroup == $c and .container == $i' report.json
	"$TPROF" report "$BATS_TEST_TMPDIR/d.tprof" | grep -q "(pid $pid, container accccccccccc)"
}

@test "no such process, a thread's number, a kernel thread, a zombie: one line each" {
	run "$TPROF" record -p 4194304
	[ "$status" = 1 ]
	[[ $output == "tprof: no process 4194304: "* ]]

	run "$TPROF" record -p 2
	[ "$status" = 1 ]
	[[ $output == "tprof: 2 ("*") is a kernel thread: "* ]]

	burner sh -c 'true & exec sleep 60'
	await zombie_of "$burner"
	zombie=$(zombie_of "$burner")
	run "$TPROF" record -p "$zombie"
	[ "$status" = 1 ]
	[[ $output == *"is a zombie: "* ]]

	burner "$WORKLOADS/cpu_split" 60
	await thread_named two-thirds "$burner"
	tid=$(thread_named two-thirds "$burner")
	run "$TPROF" record -p "$tid"
	[ "$status" = 1 ]
	[[ $output == "tprof: $tid is a thread of process $burner: "* ]]
}

@test "a command that cannot start: exit status as the shell's" {
	run -127 "$TPROF" record -q -o "$BATS_TEST_TMPDIR/n.tprof" -- /nonexistent/program
	run -126 "$TPROF" record -q -o "$BATS_TEST_TMPDIR/n.tprof" -- /etc/passwd
	[ ! -e "$BATS_TEST_TMPDIR/n.tprof" ]
}

@test "a command's output is untouched" {
	run --separate-stderr "$TPROF" record -q -o "$BATS_TEST_TMPDIR/o.tprof" -- \
		sh -c 'echo out; echo err >&2'
	[ "$output" = out ]
	[ "$stderr" = err ]
}
