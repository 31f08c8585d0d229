#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# limit: 900
#
# One binary on Debian's kernels from 5.10 to the newest, in virtual machines of one CPU each, two at a
# time. What runs in them is guest.sh.

setup_file() {
	[ "$(uname -m)" = x86_64 ] || skip "host: the kernels are x86-64's, this is $(uname -m)"
	command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64 (make deps)"
	# TPROF_KERNELS_LOG: a directory to keep the machines' output in; docs/kernels.md is made of it.
	export LOGS=${TPROF_KERNELS_LOG:-$BATS_FILE_TMPDIR}
	export BUILD=${TPROF_BUILD:-$BATS_TEST_DIRNAME/../../build} HERE=$BATS_TEST_DIRNAME
	for suite in bullseye-security bookworm trixie sid; do
		"$BATS_TEST_DIRNAME/fetch" "$suite" >"$LOGS/$suite.image" 2>"$LOGS/$suite.err" ||
			rm -f "$LOGS/$suite.image"
	done
	for suite in bullseye-security bookworm trixie sid; do
		[ ! -f "$LOGS/$suite.image" ] || echo "$suite"
	done | xargs -P 2 -I '{}' sh -c '
		"$HERE/boot" "$(cat "$LOGS/$1.image")" "$BUILD" >"$LOGS/$1.log" 2>&1
		echo $? >"$LOGS/$1.status"' sh '{}' 3>&-
}

passed_on() { # SUITE
	[ -f "$LOGS/$1.image" ] || skip "host: no kernel of $1 from the mirror: $(tail -1 "$LOGS/$1.err")"
	cat "$LOGS/$1.log"
	[ "$(cat "$LOGS/$1.status")" = 0 ]
}

@test "5.10 (Debian 11)" {
	passed_on bullseye-security
}

@test "6.1 (Debian 12)" {
	passed_on bookworm
}

@test "6.12 (Debian 13)" {
	passed_on trixie
}

@test "the newest (Debian sid)" {
	passed_on sid
}
