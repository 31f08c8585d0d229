# SPDX-License-Identifier: BSD-2-Clause
# Debug files from a server, which may lie, hang and go on for ever.

load live

setup() {
	need_bpf
	cd "$BATS_TEST_TMPDIR" || return
	mkdir served
	python3 "$BATS_TEST_DIRNAME/debug_server.py" served 3>&- &
	server=$!
	objcopy --only-keep-debug "$WORKLOADS/names" debug
	strip -o bare "$WORKLOADS/names"
	id=$(readelf -n bare | awk '/Build ID/ {print $3}')
	await test -e served/port
	DEBUGINFOD_URLS=http://127.0.0.1:$(cat served/port)
	export DEBUGINFOD_URLS DEBUGINFOD_CACHE_PATH=$PWD/cache
}

teardown() { reap "${server:-}"; }

# names_of WHAT OPTIONS…: what the stripped program looks like, and what the report says.
names_of() {
	local what=$1
	shift
	"$TPROF" record -q -F 999 "$@" -o n.tprof -- ./bare 0.3 "$what" >/dev/null 2>&1
	folded n.tprof "${show[@]}" >folded
	"$TPROF" report n.tprof | tr -s ' \n' ' ' >report
}

# 9 of 10 samples match
most() {
	at_least "$(samples_of '' <folded)" 30
	at_least "$(samples_of "$1" <folded)" $(($(samples_of '' <folded) * 9 / 10))
}

@test "names, inlined calls and lines of a stripped program" {
	cp debug "served/$id"
	names_of static --debuginfod
	most ';unexported( |;)'
	grep -qx "/buildid/$id/debuginfo" served/log
	show=(--lines)
	names_of cpp --debuginfod --lines
	most ';app::Engine<int>::turn \(names.cc:[0-9]+\);app::mix \(names\.cc:[0-9]+\)_\[i\]( |;)'
}

@test "nobody is asked without --debuginfod, or without servers" {
	cp debug "served/$id"
	names_of static
	most ';\[bare\+0x[0-9a-f]+\]'
	DEBUGINFOD_URLS='' names_of static --debuginfod
	most ';\[bare\+0x[0-9a-f]+\]'
	[ ! -e served/log ]
	[ ! -e cache ]
}

@test "another program's debug file, and garbage: not used, and said" {
	objcopy --only-keep-debug "$WORKLOADS/cpu_burn" "served/$id"
	names_of static --debuginfod
	most ';\[bare\+0x[0-9a-f]+\]'
	grep -q 'sent as the debug file of .*/bare is not it' report
	rm -r cache
	head -c 100000 /dev/urandom >"served/$id"
	names_of static --debuginfod
	most ';\[bare\+0x[0-9a-f]+\]'
	grep -q 'sent as the debug file of .*/bare is not it' report
}

@test "a server that never answers is waited for once, and said; so is one that is not there" {
	touch served/hang
	DEBUGINFOD_MAXTIME=1 names_of static --debuginfod
	most ';\[bare\+0x[0-9a-f]+\]'
	grep -q 'debug files were not fetched from the servers in $DEBUGINFOD_URLS: Timer expired' report
	[ "$(sort -u served/log | wc -l)" = 1 ]
	DEBUGINFOD_URLS=http://127.0.0.1:1 names_of static --debuginfod
	grep -q 'DEBUGINFOD_URLS: Connection refused' report
}

@test "a debug file without end leaves nothing behind" {
	cp debug "served/$id"
	touch served/endless
	DEBUGINFOD_MAXTIME=1 names_of static --debuginfod
	most ';\[bare\+0x[0-9a-f]+\]'
	grep -q 'DEBUGINFOD_URLS: Timer expired' report
	[ -z "$(find cache -type f -size +1k)" ]
}
