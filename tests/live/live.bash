# SPDX-License-Identifier: BSD-2-Clause
# For the live tests: real recordings of real programs. Needs root and BPF.

need_bpf() {
	"$TPROF" check >"$BATS_TEST_TMPDIR/check" 2>&1 || skip "tprof check says no: see its output"
}

bats_require_minimum_version 1.5.0

# Waits until a command succeeds, at most 10 s.
await() {
	for _ in $(seq 500); do
		"$@" 2>/dev/null && return 0
		sleep 0.02
	done
	echo "waited in vain for: $*" >&2
	return 1
}

# all hooks are there: sampling comes last
counts() { grep -qsE "^link_type:[[:space:]]*perf(_event)?$" /proc/"$1"/fdinfo/*; }

# record_start NAME ARGS…: tprof in the background, counting when this returns; its PID in $tprof.
record_start() {
	local file=$BATS_TEST_TMPDIR/$1.tprof
	shift
	"$TPROF" record -q -o "$file" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	tprof=$!
	await counts_or_gone $tprof
	counts $tprof || { cat "$BATS_TEST_TMPDIR/err" >&2; return 1; }
}

counts_or_gone() { counts "$1" || ! kill -0 "$1" 2>/dev/null; }

# Ends it as Ctrl-C does.
record_stop() {
	kill -INT "$tprof"
	wait "$tprof"
}

json() { "$TPROF" report --json "$1"; }
folded() { "$TPROF" export -f folded "$@"; }

# Waits until a process has used so many more hundredths of a second of CPU.
await_cpu() {
	local until=$(($(cpu_of "$1") + $2))
	while [ "$(cpu_of "$1")" -lt "$until" ]; do sleep 0.05; done
}
cpu_of() { sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13}'; }

# Samples of the folded lines on stdin that match. (gawk would eat the backslashes of -v.)
samples_of() { re=$1 awk '$0 ~ ENVIRON["re"] {n += $NF} END {print n + 0}'; }

# near A B TOLERANCE: |A - B| <= TOLERANCE
near() {
	awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN {
		d = a > b ? a - b : b - a
		if (d > t) print a " is not " b " ± " t
		exit d > t
	}'
}

# at_least A B
at_least() { awk -v a="$1" -v b="$2" 'BEGIN {if (a < b) print a " < " b; exit a < b}'; }

# shellcheck disable=SC2034 # target
# in_userns COMMAND…: by a shell that is root of user, PID and mount namespaces of its own, with an empty
# /tmp to be in, and 100000 outside. Its PID in $target, that of who waits for it in $outer.
in_userns() {
	local holder
	unshare -U sleep 60 3>&- &
	holder=$!
	await other_userns $holder || skip "host: no user namespaces"
	echo 0 100000 65536 >/proc/$holder/uid_map
	echo 0 100000 65536 >/proc/$holder/gid_map
	nsenter -U -t $holder unshare -mpf --mount-proc \
		sh -c "mount -t tmpfs none /tmp && cd /tmp && $1" 3>&- &
	outer=$!
	await pgrep -P $outer >/dev/null
	target=$(pgrep -P $outer)
	reap $holder
}

other_userns() { [ "$(readlink /proc/"$1"/ns/user)" != "$(readlink /proc/self/ns/user)" ]; }

# kill and reap children that a test left
reap() {
	local pid
	for pid in "$@"; do
		[ -n "$pid" ] || continue
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
}
