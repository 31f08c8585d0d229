#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# record as people and scripts use it: targets, ends, outputs, exit codes.

load common

setup() {
	need_root
	cd "$BATS_TEST_TMPDIR" || return 1
	burner=
}

teardown() {
	stop_burner
}

# ── targets that are none ───────────────────────────────────────────────────────────────────────

@test "no such process" {
	refuses 1 "4194303" record -p 4194303 -d 1
	[ -z "$(find . -name "*.tprof*")" ]
}

@test "no such thread" {
	refuses 1 "4194303" record -t 4194303 -d 1
}

@test "a kernel thread" {
	[ -d /proc/2 ] && grep -q kthreadd /proc/2/comm || skip "host: no kernel threads are seen here"
	refuses 1 "kernel thread" record -p 2 -d 1
}

@test "a zombie" {
	# A parent that never waits: bash would.
	python3 -c '
import os, sys, time
pid = os.fork()
if pid == 0: os._exit(0)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print(pid, flush=True)
time.sleep(60)' >zombie 3>&- &
	burner=$!
	wait_for test -s zombie
	refuses 1 "zombie|has exited|already ended" record -p "$(cat zombie)" -d 1
}

@test "a command that is not there, or may not run" {
	refuses 127 "cannot run ./nosuch" record -- ./nosuch
	refuses 127 "cannot run nosuch: not found in PATH" record -- nosuch
	refuses 126 "cannot run /etc/passwd: no permission" record -- /etc/passwd
	refuses 126 "cannot run /: no permission" record -- /
	[ -z "$(find . -name "*.tprof*")" ]
}

@test "a script whose interpreter is not there" {
	printf '#!/no/such/interpreter\n' >broken
	chmod +x broken
	refuses 127 "./broken" record -- ./broken
	[ -z "$(find . -name "*.tprof*")" ]
}

@test "no such cgroup" {
	refuses 1 "/no/such" record --cgroup /no/such -d 1
}

# ── places that cannot be written ───────────────────────────────────────────────────────────────

@test "output in a directory that is not there, before anything is recorded" {
	refuses 1 "cannot write into nodir: No such file or directory: choose another place" \
		record -p $$ -o nodir/x.tprof
	refuses 1 "cannot write into nodir" record -p $$ -o nodir/x.html
}

@test "output that is a directory or a device" {
	mkdir d
	refuses 1 "d is a directory" record -p $$ -o d
	refuses 1 "d/ names a directory|d/ is a directory" record -p $$ -o d/
	refuses 1 "/dev/null is not a plain file" record -p $$ -o /dev/null
	[ -c /dev/null ]
}

@test "output on a read-only file system" {
	mkdir ro
	run --separate-stderr unshare -m sh -c '
		mount -t tmpfs -o ro none ro && timeout 30 "$TPROF" record -p $$ -o ro/x.tprof'
	one_line 1 "cannot write into ro: Read-only file system: choose another place"
}

@test "disk full: one line, status 1, and the recording is elsewhere" {
	mkdir full
	export TMPDIR=$BATS_TEST_TMPDIR/elsewhere
	mkdir "$TMPDIR"
	run --separate-stderr unshare -m sh -c '
		mount -t tmpfs -o size=8k none full &&
		timeout 30 "$TPROF" record -q -o full/x.tprof -d 300ms -- sh -c "while :; do :; done"
		status=$?
		ls -A full >left
		exit $status'
	one_line 1 "full/x.tprof.*No space left on device.*the recording is in .*/elsewhere/.*x.tprof"
	[ ! -s left ]
	"$TPROF" report "$TMPDIR"/*x.tprof >/dev/null
}

@test "disk full for an export: one line, status 1, nothing half written" {
	mkdir full
	run --separate-stderr unshare -m sh -c '
		mount -t tmpfs -o size=8k none full &&
		timeout 30 "$TPROF" record -q -o full/x.html -d 300ms -- sh -c "while :; do :; done"
		status=$?
		ls -A full >left
		exit $status'
	one_line 1 "cannot write full/x.html: No space left on device"
	[ ! -s left ]
}

@test "a symbolic link that somebody planted is replaced, not followed" {
	echo precious >precious
	ln -s precious out.folded
	ln -s precious out.tprof
	"$TPROF" record -q -d 300ms -o out.folded -o out.tprof -- sh -c 'while :; do :; done'
	[ "$(cat precious)" = precious ]
	[ ! -L out.folded ]
	[ ! -L out.tprof ]
	"$TPROF" report out.tprof >/dev/null
}

# ── outputs ─────────────────────────────────────────────────────────────────────────────────────

@test "the default name is COMM-PID.tprof, 0600, and the report names the next command" {
	start_burner
	run --separate-stderr "$TPROF" record -p "$burner" -d 500ms
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "$(stat -c %a "bash-$burner.tprof")" = 600 ]
	[[ $output == *"Next: tprof flamegraph bash-$burner.tprof"* ]]
}

@test "under sudo files belong to the invoking user" {
	SUDO_UID=12345 SUDO_GID=54321 "$TPROF" record -q -d 200ms -o x.tprof -o x.folded -- \
		sh -c 'while :; do :; done'
	[ "$(stat -c %u:%g:%a x.tprof)" = 12345:54321:600 ]
	[ "$(stat -c %u:%g:%a x.folded)" = 12345:54321:600 ]
}

@test "several -o: each extension its format" {
	"$TPROF" record -q -d 500ms -o x.tprof -o x.folded -o x.html -o x.svg -o x.json -- \
		sh -c 'while :; do :; done'
	[ "$(head -c 15 x.tprof)" = "SQLite format 3" ]
	grep -Eq '^sh;.* [0-9]+$' x.folded
	grep -qi '<!doctype html>' x.html
	grep -q '<svg' x.svg
	jq -e '.format == 1' x.json
}

@test "-o - streams folded stacks and nothing else" {
	run --separate-stderr "$TPROF" record -d 500ms -o - -- sh -c 'while :; do :; done'
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "${#lines[@]}" -gt 0 ]
	for line in "${lines[@]}"; do
		[[ $line =~ ^[^\;]+\;.*\ [0-9]+$ ]]
	done
	[ -z "$(find . -name "*.tprof*")" ]
}

@test "--json prints JSON alone, with -q too" {
	"$TPROF" record --json -d 300ms -o x.tprof -- sh -c 'while :; do :; done' >a.json
	"$TPROF" record -q --json -d 300ms -o x.tprof -- sh -c 'while :; do :; done' >b.json
	[ "$(jq .format a.json b.json)" = $'1\n1' ]
}

@test "-q prints nothing" {
	run --separate-stderr "$TPROF" record -q -d 200ms -o x.tprof -- sh -c 'while :; do :; done'
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
}

@test "--no-cmdline leaves the arguments out" {
	"$TPROF" record -q --no-cmdline -d 300ms -o x.tprof -- \
		sh -c 'while :; do :; done' password=s3cret
	run ! grep -q s3cret x.tprof
	"$TPROF" record -q -d 300ms -o y.tprof -- sh -c 'while :; do :; done' password=s3cret
	grep -q s3cret y.tprof
}

@test "the command's output is untouched, its input too" {
	run --separate-stderr sh -c 'echo in | "$TPROF" record -q -o x.tprof -- \
		sh -c "cat; echo err >&2"'
	[ "$status" -eq 0 ]
	[ "$output" = in ]
	[ "$stderr" = err ]
}

@test "the command has the signals it would have without tprof" {
	"$TPROF" record -q -o x.tprof -- grep -E 'Sig(Blk|Ign)' /proc/self/status >with
	grep -E 'Sig(Blk|Ign)' /proc/self/status >without
	diff with without
}

# ── ends ────────────────────────────────────────────────────────────────────────────────────────

@test "SIGINT, SIGTERM and SIGHUP end a recording and save it" {
	start_burner
	for signal in INT TERM HUP; do
		"$TPROF" record -p "$burner" -o $signal.tprof >$signal.txt 3>&- &
		pid=$!
		wait_for programs_attached $pid
		kill -$signal $pid
		wait $pid
		"$TPROF" report $signal.tprof >/dev/null
		grep -q '^Next: tprof flamegraph' $signal.txt
	done
}

# tprof holds a BPF link: it records.
programs_attached() {
	find /proc/"$1"/fd -lname '*bpf_link*' | grep -q .
}

@test "under nohup SIGHUP is ignored" {
	start_burner
	nohup "$TPROF" record -q -p "$burner" -d 1500ms -o x.tprof 3>&- &
	pid=$!
	wait_for programs_attached $pid
	kill -HUP $pid
	wait $pid
	seconds=$("$TPROF" report --json x.tprof | jq .span.seconds)
	awk -v s="$seconds" 'BEGIN { exit !(s >= 1.4) }'
}

@test "-d ends it in time" {
	start_burner
	"$TPROF" record --json -p "$burner" -d 700ms -o x.tprof >x.json
	jq -e '.span.seconds >= 0.7 and .span.seconds < 1.5' x.json
}

@test "the target's end ends it" {
	sleep 0.5 3>&- &
	timeout 20 "$TPROF" record -q -p $! -o x.tprof
	timeout 20 "$TPROF" record -q -o y.tprof -- true
	"$TPROF" report y.tprof >/dev/null
}

@test "a command that outlives its recording is ended" {
	"$TPROF" record -q -d 300ms -o x.tprof -- sh -c 'echo $$ >pid; exec sleep 1000'
	gone() { ! kill -0 "$(cat pid)" 2>/dev/null; }
	wait_for gone
}

@test "a second signal, whenever it comes, loses nothing" {
	start_burner
	for delay in 0 0.005 0.01 0.02 0.05 0.1; do
		"$TPROF" record -p "$burner" -o x$delay.tprof >x.txt 3>&- &
		pid=$!
		wait_for programs_attached $pid
		kill -INT $pid
		sleep $delay
		kill -INT $pid 2>/dev/null || true
		wait $pid
		"$TPROF" report x$delay.tprof >/dev/null
		grep -q '^Next: tprof flamegraph' x.txt
	done
}

# ── the progress line ───────────────────────────────────────────────────────────────────────────

@test "progress is shown on a terminal, and only there" {
	command -v script >/dev/null || skip "no script(1)"
	start_burner
	script -qec "'$TPROF' record -p $burner -d 600ms -o x.tprof" /dev/null </dev/null >terminal
	grep -q 'Recording .* of 600 ms, .* samples' terminal
	script -qec "'$TPROF' record -q -p $burner -d 300ms -o x.tprof" /dev/null </dev/null >quiet
	[ ! -s quiet ]
	"$TPROF" record -p "$burner" -d 300ms -o x.tprof >/dev/null 2>stderr
	[ ! -s stderr ]
}

@test "colour on a terminal, unless NO_COLOR or TERM=dumb" {
	command -v script >/dev/null || skip "no script(1)"
	"$TPROF" record -q -d 300ms -o x.tprof -- sh -c 'while :; do :; done'
	TERM=xterm script -qec "'$TPROF' report x.tprof" /dev/null </dev/null | grep -q $'\033\[1m'
	TERM=xterm NO_COLOR=1 script -qec "'$TPROF' report x.tprof" /dev/null </dev/null >plain
	TERM=dumb script -qec "'$TPROF' report x.tprof" /dev/null </dev/null >>plain
	"$TPROF" report x.tprof >>plain
	[ "$(grep -c '^Next' plain)" -eq 3 ]
	run ! grep -q $'\033' plain
}
