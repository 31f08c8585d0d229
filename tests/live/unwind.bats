# SPDX-License-Identifier: BSD-2-Clause
# limit: 400
#
# Programs without frame pointers whose stacks are known: every stack complete, every frame right.

load live

setup_file() {
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR need_bpf
}

setup() { child=; }
teardown() { reap $child; }

ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
burns() { [ "$(ticks "$1")" -ge 3 ]; } # has used CPU, so it is where it will stay
used() { [ "$(ticks "$1")" -ge "$2" ]; }

# Records a running program until it has used 0.2 s of CPU, however long that takes; its user stacks,
# without comm and kernel frames, with counts, on $BATS_TEST_TMPDIR/stacks.
stacks_of() { # PROGRAM ARGS…
	"$@" 3>&- &
	child=$!
	await burns $child
	record_start r -p $child -F "${hz:-997}"
	await used $child $(($(ticks $child) + 20))
	record_stop
	folded "$BATS_TEST_TMPDIR/r.tprof" | sed -E 's/^[^;]*;//; s/;[^;]*_\[k\]//g; s/;[^;]*_\[i\]//g' |
		awk '{n = $NF; $NF = ""; c[$0] += n} END {for (k in c) print k c[k]}' \
			>"$BATS_TEST_TMPDIR/stacks"
	json "$BATS_TEST_TMPDIR/r.tprof" >"$BATS_TEST_TMPDIR/json"
}

# Every CPU sample is complete, and is `main;` and then exactly this (an extended regular expression).
only() { # REGEX
	[ "$(jq .stacks.cpu.truncated "$BATS_TEST_TMPDIR/json")" = 0 ]
	at_least "$(jq .stacks.cpu.complete "$BATS_TEST_TMPDIR/json")" 50
	! grep -vE "^${from:-_start;__libc_start_main[^;]*;__libc_start_call_main;main;}($1) [0-9]+$" \
		"$BATS_TEST_TMPDIR/stacks"
}

times() { # N TEXT
	[ "$1" = 0 ] || printf "%0.s$2" $(seq "$1")
}

@test "depths 1, 10, 40, 120, 500 in C" {
	for depth in 1 10 40 120 500; do
		stacks_of "$WORKLOADS/unw_depth" plain $depth
		only "$(times $depth 'deeper;')bottom;burn"
		reap $child
	done
}

@test "deeper than is recorded: says so" {
	stacks_of "$WORKLOADS/unw_depth" plain 1000
	[ "$(jq .stacks.cpu.complete "$BATS_TEST_TMPDIR/json")" = 0 ]
	run ! grep -v '^\[truncated\];deeper;' "$BATS_TEST_TMPDIR/stacks"
}

@test "in a second thread: up to clone3" {
	stacks_of "$WORKLOADS/unw_depth" thread 10
	from='clone3;start_thread;' only "in_thread;$(times 10 'deeper;')bottom;burn"
}

@test "through libc's qsort" {
	stacks_of "$WORKLOADS/unw_depth" qsort 5
	only 'deeper;deeper;by_qsort;qsort_r;(msort[^;]*;)+compare;deeper;deeper;deeper;bottom;burn'
}

# What is between our functions is libc's, which has no names for all of its own.
@test "through what else calls back: bsearch, lfind, twalk, pthread_once, nftw, scandir, exit" {
	local libc='(\[libc[^];]*\]|[a-z_]*(search|find|walk|trecurse|once|ftw|scandir|exit)[a-z_0-9]*)'
	for way in bsearch:compare lfind:compare tree:visit once:go_on ftw:at_file,go_on \
		scandir:at_entry,go_on exit:go_on; do
		stacks_of "$WORKLOADS/unw_depth" "${way%:*}" 5
		callback=${way#*:}
		only "deeper;deeper;by_${way%:*};($libc;){0,4}${callback/,/;};deeper;deeper;deeper;bottom;burn"
		# bsearch is inlined, and twalk jumps into what it calls last
		[[ $way == bsearch* || $way == tree* ]] || grep -qE "by_${way%:*};$libc;" "$BATS_TEST_TMPDIR/stacks"
		reap $child
	done
}

@test "in a signal handler" {
	stacks_of "$WORKLOADS/unw_depth" signal 3
	only "$(times 3 'deeper;')bottom;burn_signal;raise_here;kill;__restore_rt;on_signal;burn"
}

@test "in a signal handler on a stack of its own" {
	stacks_of "$WORKLOADS/unw_depth" altstack 3
	only "$(times 3 'deeper;')bottom;burn_altstack;raise_here;kill;__restore_rt;on_signal;burn"
}

@test "frames of varying size, realigned" {
	stacks_of "$WORKLOADS/unw_depth" alloca 21
	only "$(times 20 'deeper;by_alloca;')deeper;bottom;burn"
}

@test "hand-written assembly without CFI" {
	stacks_of "$WORKLOADS/unw_depth" asm 5
	only "$(times 5 'deeper;')bottom;burn_asm;asm_burn"
}

@test "PLT stubs and short functions of libc" {
	hz=9973 stacks_of "$WORKLOADS/unw_depth" plt 5
	only "$(times 5 'deeper;')bottom;burn_plt(;[^;]+){0,2}"
	at_least "$(samples_of ';burn_plt;[a-z]+@plt ' <"$BATS_TEST_TMPDIR/stacks")" 5
}

# Where in a function its samples as a leaf are, as the instructions that objdump shows there.
leaves_in() { # FUNCTION
	sqlite3 "$BATS_TEST_TMPDIR/r.tprof" "select distinct printf('%x', f.offset) from stacks s
		join frames f on f.id = s.leaf join named_frames n on n.frame = f.id
		where n.function = '$1'" | while read -r offset; do
		objdump -d --no-show-raw-insn --start-address="0x$offset" \
			--stop-address="$((0x$offset + 1))" "$WORKLOADS/unw_depth" | tail -1
	done
}

@test "first and last instructions of functions, and they were sampled" {
	hz=9973 stacks_of "$WORKLOADS/unw_depth" edges 5
	only "$(times 5 'deeper;')bottom;burn_edges(;small(;tiny)?)?"
	first=$(nm "$WORKLOADS/unw_depth" | awk '$3 == "tiny" {sub(/^0+/, "", $1); print $1}')
	leaves_in tiny >"$BATS_TEST_TMPDIR/leaves"
	cat "$BATS_TEST_TMPDIR/leaves"
	grep -qE "^ *$first:" "$BATS_TEST_TMPDIR/leaves"
	grep -qE '\bret' "$BATS_TEST_TMPDIR/leaves"
}

@test "first and last instructions of JIT code, which has no CFI" {
	hz=9973 stacks_of "$WORKLOADS/many_maps" 2 1
	from='_start;__libc_start_main[^;]*;__libc_start_call_main;main;' \
		only "rounds(;\[jit[^;]+|;compiled;.+|;region;.+|;mprotect|;munmap)?"
	at_least "$(samples_of ';rounds;.jit' <"$BATS_TEST_TMPDIR/stacks")" 50
}

@test "page faults and system calls" {
	stacks_of "$WORKLOADS/unw_depth" fault 5
	only "$(times 5 'deeper;')bottom;burn_fault(;madvise)?"
}

children() { [ -n "$(cat "/proc/$1/task/$1/children")" ]; }

@test "in a vfork child, and its parent asleep in vfork" {
	"$WORKLOADS/unw_depth" vfork 4 3>&- &
	child=$!
	await children $child
	vforked=$(tr -d ' ' <"/proc/$child/task/$child/children")
	await burns "$vforked"
	record_start r -p "$child,$vforked" -F 997
	await burns "$vforked"
	sleep 0.5
	kill -KILL "$vforked" # the parent goes on: its wait is over
	await burns $child
	record_stop
	chain='_start;__libc_start_main[^;]*;__libc_start_call_main;main;deeper;deeper;deeper;deeper;bottom'
	# Who was killed gives its memory up in do_exit: from there on it has no user frames.
	folded "$BATS_TEST_TMPDIR/r.tprof" | grep -vE '^unw_depth(;[^;]*_\[k\])*;do_exit_\[k\]' |
		sed -E 's/;[^;]*_\[k\]//g' >"$BATS_TEST_TMPDIR/stacks"
	at_least "$(samples_of ';burn_vfork;burn ' <"$BATS_TEST_TMPDIR/stacks")" 50
	run ! grep -vE "^unw_depth;$chain(;burn_vfork)?(;burn|;vfork)? [0-9]+$" "$BATS_TEST_TMPDIR/stacks"
}

@test "asleep in vfork, whose stub has its return address in a register" {
	stacks_of "$WORKLOADS/unw_depth" vforks 4
	[ "$(jq .stacks.cpu.truncated "$BATS_TEST_TMPDIR/json")" = 0 ]
	chain='_start;__libc_start_main[^;]*;__libc_start_call_main;main;deeper;deeper;deeper;deeper;bottom'
	folded --kind offcpu "$BATS_TEST_TMPDIR/r.tprof" | sed -E 's/;[^;]*_\[k\]//g' \
		>"$BATS_TEST_TMPDIR/stacks"
	at_least "$(samples_of ';burn_vforks;vfork ' <"$BATS_TEST_TMPDIR/stacks")" 100
	run ! grep -vE "^unw_depth;$chain;burn_vforks;(vfork|wait[^;]*) [0-9]+$" "$BATS_TEST_TMPDIR/stacks"
}

@test "static, static-pie and non-PIE programs" {
	for program in unw_static unw_static_pie unw_nopie; do
		stacks_of "$WORKLOADS/$program" plain 40
		only "$(times 40 'deeper;')bottom;burn"
		reap $child
		stacks_of "$WORKLOADS/$program" signal 2
		only "deeper;deeper;bottom;burn_signal;raise_here;kill;__restore_rt;on_signal;burn"
		reap $child
	done
}

@test "CFI in .debug_frame only" {
	readelf -SW "$WORKLOADS/unw_debug_frame" | grep -q ' \.debug_frame '
	stacks_of "$WORKLOADS/unw_debug_frame" plain 40
	only "$(times 40 'deeper;')bottom;burn"
}

@test "C++ at -O3 with LTO, depths 1 to 500: virtual calls, destructors while unwinding, handlers" {
	for depth in 1 10 40 120 500; do
		stacks_of "$WORKLOADS/unw_cxx" $depth
		odd=$((depth % 2)) pairs=$((depth / 2)) # the deepest is Even
		head=$([ $odd = 0 ] || echo ';Even::visit')
		# on the way down, or below the last node with whatever libstdc++ does there
		from='_start;__libc_start_main[^;]*;__libc_start_call_main;main' \
			only "($head(;Odd::visit;Even::visit){0,$((pairs < 255 ? pairs : 255))}(;Odd::visit)?)?|$head$(
				times $pairs ';Odd::visit;Even::visit')(;Node::bottom(;.+)?)?"
		reap $child
	done
}

# (each of its steps is two frames)
@test "Rust, 1 to 500 frames" {
	command -v rustc >/dev/null || skip "host: no rustc"
	rustc -O -C panic=abort -o "$BATS_TEST_TMPDIR/unw_rust" \
		"$BATS_TEST_DIRNAME/../workloads/unw_rust.rs" 2>"$BATS_TEST_TMPDIR/rustc" ||
		skip "host: rustc cannot build here: $(head -1 "$BATS_TEST_TMPDIR/rustc")"
	for depth in 1 10 40 120 250; do
		stacks_of "$BATS_TEST_TMPDIR/unw_rust" $depth
		[ "$(jq .stacks.cpu.truncated "$BATS_TEST_TMPDIR/json")" = 0 ]
		calls=$(times $((depth - 1)) '[^;]*deeper[^;]*;[^;]*step[^;]*;')
		! grep -vE ";[^;]*main[^;]*;${calls}[^;]*deeper[^;]*;[^;]*burn[^;]* [0-9]+$" \
			"$BATS_TEST_TMPDIR/stacks"
		reap $child
	done
}
