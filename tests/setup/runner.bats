#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# tests/run and the checks of .ci/ themselves: a runner that cannot fail proves nothing.

setup() {
	top=$(realpath "$BATS_TEST_DIRNAME/../..")
	tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree"/tests/{unit,live} "$tree/build/tests/unit"
	cp "$top/tests/run" "$tree/tests/"
}

# A stand-in for a cmocka program: prints TAP, exits.
program() { # NAME CODE TAP…
	local name=$1 code=$2
	shift 2
	touch "$tree/tests/unit/$name.c"
	{ echo '#!/bin/sh'; printf "echo '%s'\n" "$@"; echo "exit $code"; } >"$tree/build/tests/unit/$name"
	chmod +x "$tree/build/tests/unit/$name"
}

last_line() {
	echo "${lines[-1]}"
}

@test "all pass: sum, exit 0" {
	program a_test 0 1..2 "ok 1 - x" "ok 2 - y"
	echo '@test "z" { true; }' >"$tree/tests/live/b.bats"
	run "$tree/tests/run"
	[ "$status" -eq 0 ]
	[ "$(last_line)" = "3 passed, 0 failed" ]
}

@test "a failure: named, with what it printed, exit 1" {
	program a_test 1 1..2 "ok 1 - x" "not ok 2 - y" "# 0x1 != 0x2"
	run "$tree/tests/run"
	[ "$status" -eq 1 ]
	[[ "$output" == *"unit/a_test: y"* && "$output" == *"0x1 != 0x2"* ]]
	[ "$(last_line)" = "1 passed, 1 failed" ]
}

@test "a program that dies midway has failed" {
	program a_test 139 1..2 "ok 1 - x"
	run "$tree/tests/run"
	[ "$status" -eq 1 ]
	[ "$(last_line)" = "1 passed, 1 failed" ]
}

@test "a program that was not built has failed" {
	touch "$tree/tests/unit/a_test.c"
	run "$tree/tests/run"
	[ "$status" -eq 1 ]
	[ "$(last_line)" = "0 passed, 1 failed" ]
}

@test "no test at all is a failure" {
	run "$tree/tests/run"
	[ "$status" -eq 1 ]
	[ "$(last_line)" = "0 passed, 0 failed" ]
}

@test "skips are counted, with their reason" {
	echo '@test "z" { skip "no moon"; }' >"$tree/tests/live/b.bats"
	program a_test 0 1..2 "ok 1 - x" "not ok 2 # SKIP y"
	run "$tree/tests/run"
	[ "$status" -eq 0 ]
	[[ "$output" == *"no moon"* ]]
	[ "$(last_line)" = "1 passed, 0 failed, 2 skipped" ]
}

@test "a live skip where tprof check passes is a failure, a lack of the host is not" {
	[ "$(id -u)" = 0 ] || skip "host: needs root"
	printf '#!/bin/sh\n' >"$tree/build/tprof"
	chmod +x "$tree/build/tprof"
	printf '@test "y" { skip "too lazy"; }\n@test "z" { skip "host: no PMU"; }\n' >"$tree/tests/live/b.bats"
	run "$tree/tests/run"
	[ "$status" -eq 1 ]
	[ "$(last_line)" = "0 passed, 1 failed, 1 skipped" ]
}

@test "fuzzers run two at a time, and are told of in their order" {
	mkdir -p "$tree/tests/fuzz" "$tree/build-fuzz/tests/fuzz"
	for name in a b c; do
		touch "$tree/tests/fuzz/${name}_fuzz.c"
		# a and b each wait for the other; b finds something
		cat >"$tree/build-fuzz/tests/fuzz/${name}_fuzz" <<-EOF
			#!/bin/sh
			touch $tree/$name
			[ $name = c ] || for i in \$(seq 500); do
				[ -e $tree/a ] && [ -e $tree/b ] && break
				sleep 0.02
			done
			[ -e $tree/a ] && [ -e $tree/b ] && [ $name != b ] || { echo "found it"; exit 1; }
		EOF
		chmod +x "$tree/build-fuzz/tests/fuzz/${name}_fuzz"
	done
	run "$tree/tests/run"
	echo "$output"
	[ "$status" -eq 1 ]
	[ "$(grep -oE '^(ok|FAILED) +fuzz/._fuzz' <<<"$output" | tr -s ' \n' ' ')" = "ok fuzz/a_fuzz FAILED fuzz/b_fuzz ok fuzz/c_fuzz " ]
	[[ "$output" == *"found it"* ]]
	[ "$(last_line)" = "2 passed, 1 failed" ]
}

# soak waits for a file that kernels makes, and the other way round; both leave after it.
neighbours() {
	mkdir -p "$tree"/tests/{soak,kernels,setup}
	printf 'meet() { touch "%s/$1"; for i in $(seq 500); do [ -e "%s/$2" ] && return; sleep 0.02; done; false; }\n' \
		"$tree" "$tree" >"$tree/tests/meet.bash"
	printf 'load ../meet.bash\n@test "long" { meet soak setup; %s; }\n' "${1:-true}" >"$tree/tests/soak/a.bats"
	printf 'load ../meet.bash\n@test "k" { meet kernels soak; }\n' >"$tree/tests/kernels/b.bats"
	printf 'load ../meet.bash\n@test "s" { meet setup soak; }\n' >"$tree/tests/setup/c.bats"
	printf '@test "l" { [ ! -e "%s/soak" ]; }\n' "$tree" >"$tree/tests/live/d.bats"
}

@test "soak runs beside kernels and setup, after all others, and is told of last" {
	neighbours
	run "$tree/tests/run"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep -oE '^ok +[a-z]+/.' <<<"$output" | tr -s ' \n' ' ')" = "ok live/d ok kernels/b ok setup/c ok soak/a " ]
	[ "$(last_line)" = "4 passed, 0 failed" ]
}

@test "what fails beside others is told of, exit 1" {
	neighbours 'echo "it grew"; false'
	run "$tree/tests/run"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"FAILED soak/a"*"not ok: long"*"it grew"* ]]
	[ "$(last_line)" = "3 passed, 1 failed" ]
}

@test "what runs beside others keeps its own limit, and its own time" {
	neighbours
	printf '# limit: 1\n@test "long" { touch "%s/soak"; sleep 30; }\n' "$tree" >"$tree/tests/soak/a.bats"
	printf '# limit: 9\n@test "short" { true; }\n' >"$tree/tests/soak/e.bats"
	printf '@test "s" { sleep 3; }\n' >"$tree/tests/setup/c.bats"
	run "$tree/tests/run"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"FAILED soak/a"*"took longer than 1 s"* ]]
	local seconds
	seconds=$(sed -n 's|^ok *soak/e .*(\(.*\) s)|\1|p' <<<"$output")
	awk "BEGIN { exit !($seconds < 2.5) }"
}

@test "interrupted: what runs beside ends, too" {
	neighbours
	printf '@test "long" { echo $$ >"%s/soak"; sleep 60; }\n' "$tree" >"$tree/tests/soak/a.bats"
	printf '@test "k" { sleep 60; }\n' >"$tree/tests/kernels/b.bats"
	"$tree/tests/run" >"$tree/out" 2>&1 3>&- &
	local run=$! i
	for i in $(seq 500); do [ -s "$tree/soak" ] && break; sleep 0.02; done
	kill -TERM $run
	local code=0
	wait $run || code=$?
	cat "$tree/out"
	[ $code -eq 130 ]
	for i in $(seq 500); do kill -0 "$(cat "$tree/soak")" 2>/dev/null || return 0; sleep 0.02; done
	false
}

@test "check-layers: siblings, higher floors, libbpf and cycles are refused" {
	mkdir -p "$tree"/user/{base,render,store,collect,cmd}
	echo '#include "store/store.h"' >"$tree/user/render/a.c"
	echo '#include <bpf/libbpf.h>' >"$tree/user/cmd/b.c"
	echo '#include "cmd/cmd.h"' >"$tree/user/store/c.c"
	echo '#include "wire.h"' >"$tree/user/store/d.c"
	echo '#include "base/y.h"' >"$tree/user/base/x.h"
	echo '#include "x.h"' >"$tree/user/base/y.h"
	run "$top/.ci/check-layers" "$tree"
	echo "$output"
	[ "$status" -eq 1 ]
	for file in render/a.c cmd/b.c store/c.c store/d.c; do
		[[ "$output" == *"user/$file:1"* ]]
	done
	[[ "$output" == *"cycle"* ]]
}

@test "check-layers: what goes downwards passes" {
	mkdir -p "$tree"/user/{base,profile,render,collect,cmd}
	printf '#include "profile/p.h"\n#include "base/b.h"\n#include "own.h"\n' >"$tree/user/render/a.c"
	printf '#include <bpf/libbpf.h>\n#include "wire.h"\n' >"$tree/user/collect/b.c"
	echo '#include "render/render.h"' >"$tree/user/cmd/c.c"
	run "$top/.ci/check-layers" "$tree"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "check-files: licence lines, long functions, strays" {
	cd "$tree"
	git init -q .
	mkdir -p user/base bpf
	echo 'int x;' >user/base/a.c
	printf '/* SPDX-License-Identifier: BSD-2-Clause */\n' >bpf/b.c
	{ printf '/* SPDX-License-Identifier: BSD-2-Clause */\nint f(void)\n{\n'; yes '	;' | head -90; echo '}'; } >user/base/c.c
	touch stray.c
	run "$top/.ci/check-files" "$tree"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"user/base/a.c: no line"* ]]
	[[ "$output" == *"bpf/b.c: no line"* ]]
	[[ "$output" == *"user/base/c.c:3: a function of 92 lines"* ]]
	[[ "$output" == *"stray.c: has no place"* ]]
}

@test "this tree keeps the layers, the licence lines and the sizes" {
	run "$top/.ci/check-layers"
	echo "$output"
	[ "$status" -eq 0 ]
	run "$top/.ci/check-files"
	echo "$output"
	[ "$status" -eq 0 ]
}
