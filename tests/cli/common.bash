# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2154 # status, stderr …: set by run
# What the CLI tests share. `load common` at the top.
bats_require_minimum_version 1.5.0

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

# tprof ARGS failed with this status and one line on stderr, that begins so and has this in it.
refuses() { # STATUS PATTERN ARGS…
	local want=$1 pattern=$2
	shift 2
	run --separate-stderr timeout 30 "$TPROF" "$@"
	one_line "$want" "$pattern"
}

# The same of the last `run --separate-stderr`.
one_line() { # STATUS PATTERN
	echo "status $status, stderr: $stderr"
	[ "$status" -eq "$1" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == "tprof: "* ]]
	[[ $stderr =~ $2 ]]
}

# A process that burns CPU until the test ends; its PID in $burner.
start_burner() {
	bash -c 'while :; do :; done' 3>&- &
	burner=$!
}

# To be called in teardown: ends what the test started, by PID.
stop_burner() {
	if [ -n "${burner:-}" ]; then
		kill -KILL "$burner" 2>/dev/null
		wait "$burner" 2>/dev/null
	fi
	burner=
}

# Waits until a command succeeds; 20 s at most.
wait_for() {
	local i
	for ((i = 0; i < 400; i++)); do
		"$@" 2>/dev/null && return 0
		sleep 0.05
	done
	echo "waited in vain for: $*"
	return 1
}
