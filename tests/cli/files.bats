#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Recordings that are none, and outputs that go nowhere.

load common

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	cd "$BATS_FILE_TMPDIR" || return 1
	"$TPROF" record -q -d 500ms -o good.tprof -- sh -c 'while :; do :; done'
	export GOOD=$BATS_FILE_TMPDIR/good.tprof
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

# Every command that reads a recording says the same.
all_refuse() { # PATTERN FILE
	for c in report export flamegraph; do
		refuses 1 "$1" "$c" "$2"
	done
	refuses 1 "$1" report --json "$2"
}

@test "a file that is not there, a directory, one that may not be read" {
	all_refuse "none.tprof.*No such file" none.tprof
	mkdir d
	all_refuse "d.*(directory|not a )" d
}

@test "an empty file" {
	: >empty.tprof
	all_refuse "empty.tprof" empty.tprof
}

@test "a foreign file: text, another program's database" {
	echo "not a recording" >text.tprof
	all_refuse "text.tprof.*not a recording of tprof" text.tprof
	sqlite3 other.tprof 'create table t(x); insert into t values (1)'
	all_refuse "other.tprof.*not a recording of tprof" other.tprof
}

@test "a truncated recording" {
	size=$(stat -c %s "$GOOD")
	for share in 10 50 90 99; do
		head -c $((size * share / 100)) "$GOOD" >cut.tprof
		all_refuse "cut.tprof" cut.tprof
	done
}

@test "a recording of a newer tprof" {
	cp "$GOOD" newer.tprof
	sqlite3 newer.tprof "pragma user_version=9999"
	sqlite3 newer.tprof "update meta set value=9999 where key in ('format','version')" 2>/dev/null ||
		true
	all_refuse "newer" newer.tprof
}

# SQLite reads it well, but what stands in it makes no sense: read or refused, never a crash.
@test "a recording with lies in every column" {
	"$TPROF" record -q -d 1 -o demo.tprof -- "$WORKLOADS/demo" >/dev/null
	sqlite3 demo.tprof "select m.name, c.name from sqlite_master m, pragma_table_info(m.name) c
		where m.type = 'table'" | tr '|' ' ' >columns
	[ "$(wc -l <columns)" -gt 50 ]
	while read -r table column; do
		for lie in NULL 4294967297 "'x'"; do
			cp demo.tprof lie.tprof
			sqlite3 lie.tprof "update \"$table\" set \"$column\" = $lie" 2>/dev/null || continue
			status=0
			"$TPROF" report lie.tprof >out 2>err || status=$?
			[ "$status" -le 1 ] || {
				echo "$table.$column = $lie: status $status"
				cat err
				return 1
			}
			[ "$status" -eq 0 ] || [ "$(wc -l <err)" -eq 1 ]
		done
	done <columns
}

@test "a FIFO does not hang" {
	mkfifo pipe.tprof
	refuses 1 "pipe.tprof" report pipe.tprof
}

@test "stdout closed by its reader: quiet, and no failure" {
	for c in "report" "report --json" "export" "export -f json"; do
		# shellcheck disable=SC2086
		run --separate-stderr bash -c '"$TPROF" $0 "$GOOD" | true; exit ${PIPESTATUS[0]}' "$c"
		[ -z "$stderr" ]
		[ "$status" -eq 0 ] || [ "$status" -eq 141 ]
	done
}

@test "stdout closed or full: one line, status 1" {
	run --separate-stderr bash -c '"$TPROF" report "$GOOD" >&-'
	one_line 1 "cannot write to standard output: Bad file descriptor"
	run --separate-stderr bash -c '"$TPROF" report "$GOOD" >/dev/full'
	one_line 1 "cannot write to standard output: No space left on device"
	run --separate-stderr bash -c '"$TPROF" help >/dev/full'
	one_line 1 "cannot write to standard output: No space left on device"
}

@test "the report keeps to the terminal's width" {
	"$TPROF" record -q -d 1 -o demo.tprof -- "$WORKLOADS/demo" >/dev/null
	for width in 76 80 120; do
		widest=$(COLUMNS=$width "$TPROF" report demo.tprof | LC_ALL=C.UTF-8 wc -L)
		echo "$widest of $width"
		[ "$widest" -gt 40 ]
		[ "$widest" -le "$width" ]
	done
}

@test "stderr closed: what is written goes where it should" {
	"$TPROF" export "$GOOD" -o x.folded 2>&-
	"$TPROF" export "$GOOD" >y.folded
	diff x.folded y.folded
}

@test "flamegraph names its file after the recording" {
	cp "$GOOD" some.tprof
	[ "$("$TPROF" flamegraph some.tprof)" = some.html ]
	[ "$(stat -c %a some.html)" = 600 ]
	"$TPROF" flamegraph some.tprof -o - >stdout.html
	cmp some.html stdout.html
	"$TPROF" flamegraph some.tprof -o some.svg
	grep -q '<svg' some.svg
}

@test "export: by format, by extension, into a device" {
	"$TPROF" export "$GOOD" -f folded -o a
	"$TPROF" export "$GOOD" -o b.folded
	cmp a b.folded
	"$TPROF" export "$GOOD" -o /dev/null
	[ -c /dev/null ]
	"$TPROF" export "$GOOD" -o /dev/stdout >c
	cmp a c
	mkfifo pipe
	"$TPROF" export "$GOOD" -o pipe 3>&- &
	cat pipe >d
	wait
	cmp a d
}

@test "a pipe or link of somebody else's is not written through, and holds nobody up" {
	dir=$(mktemp -d /tmp/tprof-pipes.XXXXXX)
	chmod 777 "$dir" # no sticky bit: the kernel itself forbids nothing here
	setpriv --reuid=12345 --regid=12345 --clear-groups sh -c 'mkfifo -m 666 "$1/pipe"; ln -s /dev/null "$1/link"' sh "$dir"
	mkfifo -m 666 "$dir/own"
	chown 12345 "$dir/own"
	for path in pipe link own; do
		run --separate-stderr timeout 20 "$TPROF" export "$GOOD" -f folded -o "$dir/$path"
		echo "$path: $status $stderr"
		[ "$status" -eq 1 ]
		[[ $stderr == "tprof: cannot write $dir/$path: Operation not permitted"* ]]
	done
	# one's own link to a device, and a pipe of root's, are fine
	ln -s /dev/null "$dir/mine"
	"$TPROF" export "$GOOD" -f folded -o "$dir/mine"
	[ -L "$dir/mine" ]
	rm -r "$dir"
}

@test "export --threads puts comm-tid in place of comm" {
	"$TPROF" export "$GOOD" --threads | grep -Eq '^sh-[0-9]+;'
}

@test "a kind that was not recorded: a note, and no failure" {
	"$TPROF" record -q --no-waits --no-threads -d 300ms -o bare.tprof -- sh -c 'while :; do :; done'
	run --separate-stderr "$TPROF" export bare.tprof --kind lock
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[[ $stderr == *"note: bare.tprof holds nothing of kind lock: it was recorded with --no-waits"* ]]
	run --separate-stderr "$TPROF" flamegraph bare.tprof --kind spawn
	[ "$status" -eq 0 ]
	[[ $stderr == *"--no-threads"* ]]
}

@test "a range of a recording" {
	"$TPROF" record -q -d 2500ms -o long.tprof -- sh -c 'while :; do :; done'
	sum() { "$TPROF" export "$1" | awk '{ n += $NF } END { print n + 0 }'; }
	all=$(sum long.tprof)
	early=$(sum long.tprof@0s-1s)
	late=$(sum long.tprof@1s-)
	[ "$early" -gt 0 ]
	[ "$late" -gt 0 ]
	[ $((early + late)) -eq "$all" ]
}
