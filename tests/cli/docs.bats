#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# What the docs show can be typed: commands, options, kinds and formats exist, links lead somewhere.

load common

setup() { cd "$BATS_TEST_DIRNAME/../.." || return 1; }

# Every command line of tprof in code blocks and in `code`, without sudo, one a line.
documented() {
	{
		sed -n '/^```/,/^```/p; /^    /p' README.md docs/*.md | sed -n 's/^ *\(\$ \)\?//p'
		grep -oh '`[^`]*`' README.md docs/*.md | tr -d '`'
	} | sed -n 's/^\(sudo \)\?\(build\/\)\?tprof \([a-z][a-z]* .*\)/\3/p' | sed 's/ *#.*//; s/  .*//' | sort -u
}

@test "commands of the docs: each exists, with each of its options and their values" {
	documented >"$BATS_TEST_TMPDIR/commands"
	cat "$BATS_TEST_TMPDIR/commands"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/commands")" -gt 25 ]
	while read -r command rest; do
		"$TPROF" help "$command" >"$BATS_TEST_TMPDIR/help"
		rest=" $rest"
		for word in ${rest%% -- *}; do
			case $word in
			'|' | '>') break ;;
			-?*) grep -qE -- "^ *(-., )?$word( |\$)|^  $word, " "$BATS_TEST_TMPDIR/help" ||
				{ echo "$command: no option $word"; return 1; } ;;
			cpu | offcpu | lock | wake | spawn | runq | time | total | folded | pprof | speedscope | firefox)
				grep -qw -- "$word" "$BATS_TEST_TMPDIR/help" ;;
			esac
		done
	done <"$BATS_TEST_TMPDIR/commands"
}

@test "links and pictures of the docs lead to files" {
	for page in README.md CHANGELOG.md docs/*.md tests/README.md; do
		for target in $(grep -o '](\([^)]*\))' "$page" | sed 's/^](//; s/)$//; s/#.*//' | grep -v '^http'); do
			[ "${target##*/}" != benchmarks.md ] || continue # made by `make bench`
			[ -e "$(dirname "$page")/$target" ] || { echo "$page: $target"; return 1; }
		done
	done
}

@test "make targets of the docs exist" {
	grep -oh '`make [a-z][a-z/-]*\|^    \(sudo \)\?make [a-z][a-z-]*' README.md docs/*.md tests/README.md |
		sed 's/.*make //' | sort -u | while read -r target; do
		[[ $target != build/* ]] || continue # a file
		grep -qE "^(\.PHONY:.*[ :]|)$target( |:|\$)" Makefile || { echo "make $target"; return 1; }
	done
}
