#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# limit: 900
#
# README's two commands in a bare Debian 12 (git, make, apt and nothing else), so that a package
# missing from `make deps` shows. `make test` runs only TESTS="unit cli" there: the rest has run
# outside, and this very test would run itself again.

load setup.bash

setup_file() {
	make_bare
	mkdir -p "$BARE/root/tprof"
	cd "$BATS_TEST_DIRNAME/../.."
	git ls-files -z --cached --others --exclude-standard |
		xargs -0 sh -c 'for f; do [ ! -f "$f" ] || printf "%s\0" "$f"; done' sh |
		tar --null -T - -cf - | tar -C "$BARE/root/tprof" -xf -
}

@test "make demo from a bare machine" {
	run inside /root/tprof make demo
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *checksum_blocks* ]]
	[ -s "$BARE/root/tprof/demo.html" ]
}

@test "make test from a bare machine (unit and cli)" {
	run inside /root/tprof make test TESTS="unit cli"
	echo "$output" | tail -80
	[ "$status" -eq 0 ]
	[[ "${lines[-1]}" =~ ^[1-9][0-9]*\ passed,\ 0\ failed ]]
}

@test "make deps, once done, needs no network" {
	run inside /root/tprof unshare --net make deps
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}
