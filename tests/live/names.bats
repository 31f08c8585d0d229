# SPDX-License-Identifier: BSD-2-Clause
# Functions by name: C++, Rust, stubs, vdso, separate debug files, other roots.

load live

setup() {
	need_bpf
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() { reap "${tprof:-}" "${target:-}" "${outer:-}"; }

# most REGEX [PERCENT]: so much of the samples in ./folded, of which there are some, match.
most() {
	local all
	all=$(samples_of '' <folded)
	at_least "$all" 30
	at_least "$(samples_of "$1" <folded)" $((all * ${2:-90} / 100))
}

# names_of PROGRAM WHAT: what half a second of it looks like.
names_of() {
	"$TPROF" record -q -F 999 -o n.tprof -- "$1" 0.5 "$2" >/dev/null 2>&1
	folded n.tprof >folded
}

@test "C++: whole names without parameters, inlined calls told as such" {
	names_of "$WORKLOADS/names" cpp
	most ';app::Engine<int>::turn;app::mix_\[i\]( |;)'
	folded n.tprof --no-inline >folded
	most ';app::Engine<int>::turn( |;)'
	[ "$(samples_of 'mix' <folded)" = 0 ]
	"$TPROF" record -q -F 999 --lines -o n.tprof -- "$WORKLOADS/names" 0.5 cpp >/dev/null 2>&1
	folded n.tprof --lines >folded
	most ';app::mix \(names\.cc:[0-9]+\)_\[i\]( |;)'
	"$TPROF" record -q -F 999 --no-inline -o n.tprof -- "$WORKLOADS/names" 0.5 cpp
	folded n.tprof >folded
	most ';app::Engine<int>::turn( |;)'
	[ "$(samples_of 'mix' <folded)" = 0 ]
}

@test "Rust: v0 and legacy names without hashes" {
	names_of "$WORKLOADS/names" rust
	most ';mycrate::foo;' 30
	most ';core::fmt::write;' 30
}

@test "Rust as rustc mangles it: legacy and v0, generics, traits, closures; inlined calls too" {
	for v0 in "" "-C symbol-mangling-version=v0"; do
		# shellcheck disable=SC2086
		rustc -O -g $v0 -o rusty "$BATS_TEST_DIRNAME/../workloads/rusty.rs"
		names_of ./rusty
		most ';<rusty::engine::Wheel<u32> as rusty::engine::Step>::step;(<rusty::engine::Wheel<(T|u32)>>|rusty::engine::Wheel<(T|u32)>)::turn[ ;]'
		most '__rust_begin_short_backtrace'
		most ';[^;]*Iterator[^;]*fold[^;]*_\[i\]( |;)' 50
		run ! grep -E '::h[0-9a-f]{16}|_R[NIXYM]|_ZN[0-9]' folded
	done
}

@test "stubs bear the name of what they call" {
	names_of "$WORKLOADS/names" plt
	most ';landed@plt( |;)' 20
}

@test "the vdso" {
	names_of "$WORKLOADS/names" vdso
	most ';[_a-z]*clock_gettime( |;)' 60
}

# churn TPROF…: threads made one after the other, which is nearly all the kernel's work, and some of it tprof's programs'.
# Their names go to ./names.
churn() {
	truncate -s 4096 count
	"$@" record -q -F 2999 -d 2 -o kernel.folded -- "$WORKLOADS/bench_waits" count create >/dev/null
	tr ';' '\n' <kernel.folded | sed -nE 's/(\[bpf\]|[^ ])_\[k\]( [0-9]+)?$/\1/p' | sort -u >names
	grep -q do_syscall_64 names
	at_least "$(wc -l <names)" 50
	at_least "$(samples_of '_\[k\]' <kernel.folded)" 1000
	run ! grep -F '[kernel' kernel.folded
}

@test "the kernel's functions: the kernel is asked, and says what /proc/kallsyms lists" {
	churn "$TPROF"
	# what BPF programs there were is listed no more
	awk 'NR == FNR {n[$3 ($4 ? " " $4 : "")]; next} !/\[bpf\]$/ && !($0 in n)' /proc/kallsyms names >unlisted
	diff /dev/null unlisted
	grep -q '^bpf_prog_[0-9a-f]*_.* \[bpf\]$' names
}

@test "the kernel's functions have names also where /proc/kallsyms is not to be had" {
	churn unshare --mount sh -c 'mount --bind /dev/null /proc/kallsyms && exec "$@"' sh "$TPROF"
}

@test "stripped: the name is lost, and said so by its address" {
	strip -o bare "$WORKLOADS/names"
	names_of ./bare static
	[ "$(samples_of unexported <folded)" = 0 ]
	most ';\[bare\+0x[0-9a-f]+\]'
}

@test "stripped, with a debug file found by .gnu_debuglink" {
	objcopy --only-keep-debug "$WORKLOADS/names" bare.debug
	strip -o bare "$WORKLOADS/names"
	objcopy --remove-section .note.gnu.build-id --add-gnu-debuglink=bare.debug bare
	names_of ./bare static
	most ';unexported'
}

@test "stripped, with .gnu_debugdata" {
	objcopy --only-keep-debug "$WORKLOADS/names" mini
	strip --strip-debug mini
	xz mini
	strip -o bare "$WORKLOADS/names"
	objcopy --add-section .gnu_debugdata=mini.xz bare
	names_of ./bare static
	most ';unexported'
}

# A root of its own with the program in it and the libraries that it needs.
make_root() {
	mkdir -p root/bin
	ldd "$1" | grep -o '/[^ ]*' | while read -r lib; do cp -L --parents "$lib" root/; done
	cp "$1" root/bin/names
}

@test "stripped, in a root of its own, with a debug file there by build ID" {
	make_root "$WORKLOADS/names"
	id=$(readelf -n "$WORKLOADS/names" | awk '/Build ID/ {print $3}')
	mkdir -p "root/usr/lib/debug/.build-id/${id:0:2}"
	objcopy --only-keep-debug "$WORKLOADS/names" "root/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug"
	strip root/bin/names
	chroot root /bin/names 60 static 3>&- &
	target=$!
	await grep -q names /proc/$target/comm
	record_start r -F 999 -p $target
	await_cpu $target 30
	record_stop
	folded r.tprof >folded
	most ';unexported'
	[ "$(sqlite3 r.tprof "select count(*) from modules m join strings s on s.id = m.build_id where s.text = '$id'")" = 1 ]
}

@test "in a mount namespace of its own, the program hidden from here" {
	mkdir hidden
	unshare -m sh -c "mount -t tmpfs none hidden && cp '$WORKLOADS/names' hidden/names &&
		exec hidden/names 60 cpp" 3>&- &
	target=$!
	await grep -q names /proc/$target/comm
	record_start m -F 999 -p $target
	await_cpu $target 30
	record_stop
	folded m.tprof >folded
	most ';app::Engine<int>::turn'
}

@test "in user, PID and mount namespaces of its own" {
	in_userns 'cat <&4 >names && chmod 755 names && exec ./names 60 cpp' 4<"$WORKLOADS/names"
	await grep -q names /proc/$target/comm
	[ ! -e /tmp/names ]
	record_start u -F 999 -p "$target"
	await_cpu "$target" 30
	record_stop
	folded u.tprof >folded
	most ';app::Engine<int>::turn'
}

# spawn PAIRS COMMAND…: so many times two processes at once, and their end awaited.
spawn() {
	local pairs=$1
	shift
	for _ in $(seq "$pairs"); do
		"$@" >/dev/null 3>&- &
		"$@" >/dev/null 3>&-
		wait $!
	done
}

# Of the samples of ./folded at most 1 % have a frame without a name. What the distribution has stripped
# has none: the shell, which they are before exec, and the loader.
named_but_for_1_percent() {
	local all
	sed -i -E '/\[(ld-linux|dash|bash|libc\.so)[^]]*\+0x/d' folded
	all=$(samples_of '' <folded)
	at_least "$all" "$1"
	at_least $((all / 100)) "$(samples_of '\[[^];]+\+0x' <folded)"
}

@test "500 processes of 50 ms under -a: their samples carry names" {
	record_start a -F 199 -a
	spawn 250 "$WORKLOADS/cpu_burn" 0.05 wall
	record_stop
	folded a.tprof | grep '^cpu_burn;' >folded
	named_but_for_1_percent 500
	most ';burn[;_ ]' 70
}

@test "processes of 50 ms that a command starts: their samples carry names" {
	echo "$(declare -f spawn); spawn 50 '$WORKLOADS/cpu_burn' 0.05 wall" >spawn
	"$TPROF" record -q -F 199 -o s.tprof -- bash spawn
	folded s.tprof | grep '^cpu_burn;' >folded
	named_but_for_1_percent 100
	most ';burn[;_ ]' 70
}
