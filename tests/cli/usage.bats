#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Wrong usage: one line that says what is expected, exit status 2. No privilege needed.

load common

commands="record report flamegraph export diff check help"

@test "no command: the overview on stderr, status 2" {
	run --separate-stderr "$TPROF"
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	[[ $stderr == *"usage: tprof COMMAND"* ]]
}

@test "--version" {
	run "$TPROF" --version
	[ "$status" -eq 0 ]
	[[ $output =~ ^tprof\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "--help lists every command on stdout" {
	run --separate-stderr "$TPROF" --help
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	for c in $commands; do
		grep -q "^  $c  " <<<"$output"
	done
}

@test "help CMD and CMD --help are the same, and show every default" {
	for c in $commands; do
		run "$TPROF" help "$c"
		[ "$status" -eq 0 ]
		[ "$output" = "$("$TPROF" "$c" --help)" ]
		[[ $output == "usage: tprof $c "* ]]
		[[ $output == *"-h, --help"* ]]
	done
	"$TPROF" help record >"$BATS_TEST_TMPDIR/help"
	tr '\n' ' ' <"$BATS_TEST_TMPDIR/help" | tr -s ' ' >"$BATS_TEST_TMPDIR/line"
	"$TPROF" help export | grep -q "offcpu      where threads are blocked"
	for default in 99 64M cpu folded COMM-PID.tprof "until Ctrl-C or the end of the target"; do
		grep -qF "(default $default)" "$BATS_TEST_TMPDIR/line"
	done
}

@test "no line of any help is wider than the terminal" {
	for width in 60 80 100; do
		for c in $commands; do
			widest=$(COLUMNS=$width "$TPROF" help "$c" | sed '/^usage:/d; /^  tprof /d' |
				LC_ALL=C.UTF-8 wc -L)
			echo "$c: $widest of $width"
			[ "$widest" -gt 40 ] && [ "$widest" -le "$width" ]
		done
	done
}

@test "unknown command" {
	refuses 2 "unknown command foo: see 'tprof help'" foo
}

@test "unknown option" {
	refuses 2 "unknown option -x: see 'tprof help record'" record -x
	refuses 2 "unknown.* option --foo" record --foo
	refuses 2 "unknown.* option --foo" report --foo
}

@test "an option without its argument" {
	refuses 2 "option -p needs an argument" record -p
	refuses 2 "option --duration needs an argument" record -p 1 --duration
}

@test "an argument to a switch" {
	refuses 2 "option --quiet takes no argument" record --quiet=3
}

@test "-F takes 1 to 10000" {
	for hz in 0 -1 1e9 abc 10001 "" 99.5 0x10 " 9"; do
		refuses 2 "--frequency.*a whole number from 1 to 10000" record -p $$ -F "$hz"
	done
}

@test "-d takes a time" {
	for time in 0 -1 abc 1e3 10x 1.5.5 "" . 5. s 99999999999999999999 9999999h 400000000 "1 s"; do
		refuses 2 "--duration.*a time from 1ms to 365d expected" record -p $$ -d "$time"
	done
}

@test "-p and -t take ids" {
	for ids in 0 -5 abc 1,,2 "1," ,1 "" 1,x 99999999999 "1 2"; do
		refuses 2 "PID.*expected" record -d 1 -p "$ids"
		refuses 2 "TID.*expected" record -d 1 -t "$ids"
	done
}

@test "exactly one kind of target" {
	refuses 2 "nothing to record" record
	refuses 2 "nothing to record" record -d 1 --
	refuses 2 "more than one kind of target" record -p 1 -a
	refuses 2 "more than one kind of target" record -a -- true
	refuses 2 "1234 is no option: -p for a process" record 1234
}

@test "unknown format, kind, size" {
	refuses 2 "unknown format nope" record -a -f nope
	refuses 2 "unknown format nope" export x.tprof -f nope
	refuses 2 "one of cpu, offcpu, lock, wake, spawn, runq expected" export x.tprof --kind nope
	refuses 2 "a size from 1M to 256M expected" record -a --unwind-memory 1
	refuses 2 "a size from 1M to 256M expected" record -a --unwind-memory 999999999999999999G
}

@test "stdout takes one thing only" {
	refuses 2 "only one output can go to stdout" record -a -o - --json
	refuses 2 "only one output can go to stdout" record -a -o - -o -
}

@test "report, export and flamegraph take one recording" {
	for c in report export flamegraph; do
		refuses 2 "no recording named" "$c"
		refuses 2 "one recording at a time" "$c" a.tprof b.tprof
	done
	refuses 2 "no operand expected" check x
}

@test "a range that is none" {
	for range in x 5s-2s -; do
		refuses 2 "a range such as @0s-60s expected" export "none.tprof@$range"
	done
}

@test "man pages: every command, valid source, every option in them" {
	for c in "" $commands; do
		# shellcheck disable=SC2086
		"$TPROF" help --man $c >"$BATS_TEST_TMPDIR/page.1"
		run man -l --warnings -E UTF-8 "$BATS_TEST_TMPDIR/page.1"
		[ "$status" -eq 0 ]
		[[ $output != *warning* ]]
		[[ $output == *NAME*SYNOPSIS*DESCRIPTION* ]]
	done
	man -l "$BATS_TEST_TMPDIR/page.1" >/dev/null
	"$TPROF" help --man record | man -l - >"$BATS_TEST_TMPDIR/record"
	"$TPROF" record --help | grep -o -e '--[a-z-]*' | sort -u | while read -r option; do
		grep -q -e "$option" "$BATS_TEST_TMPDIR/record"
	done
}

@test "bash completion offers commands, options and choices" {
	"$TPROF" help --completion bash >"$BATS_TEST_TMPDIR/tprof.bash"
	complete_line() {
		bash -c '
			source "$1"
			shift
			COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
			_tprof
			printf "%s\n" "${COMPREPLY[@]}"' bash "$BATS_TEST_TMPDIR/tprof.bash" "$@"
	}
	[ "$(complete_line tprof rec)" = record ]
	[ "$(complete_line tprof record --freq)" = --frequency ]
	complete_line tprof export --kind "" | grep -qx offcpu
	complete_line tprof export -f fol | grep -qx folded
	complete_line tprof record -p "" | grep -qx "$$"
}

@test "zsh completion parses" {
	"$TPROF" help --completion zsh >"$BATS_TEST_TMPDIR/_tprof"
	grep -q '^#compdef tprof' "$BATS_TEST_TMPDIR/_tprof"
	grep -q -- '--frequency' "$BATS_TEST_TMPDIR/_tprof"
	grep -qF "'*'{-o,--output}'[" "$BATS_TEST_TMPDIR/_tprof" # several -o
	refuses 2 "bash or zsh expected" help --completion fish
	command -v zsh >/dev/null || skip "host: no zsh"
	zsh -n "$BATS_TEST_TMPDIR/_tprof"
}
