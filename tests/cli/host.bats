#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Hosts that do not let tprof work: one line that names the cause and what would do.

load common

setup() {
	need_root
	cd "$BATS_TEST_TMPDIR" || return 1
	chmod 755 . ..
}

as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$@"
}

# The build may lie where only root can go: nobody gets a copy.
nobodys_tprof() {
	local dir
	dir=$(mktemp -d /tmp/tprof-nobody.XXXXXX)
	chmod 755 "$dir"
	install -m 755 "$TPROF" "$dir/tprof"
	echo "$dir"
}

@test "not root: which capabilities would do" {
	dir=$(nobodys_tprof)
	cd "$dir"
	chmod 777 "$dir"
	run --separate-stderr as_nobody timeout 30 ./tprof record -d 1 -- sleep 1
	rm -rf "$dir"
	one_line 1 "CAP_BPF.*CAP_PERFMON"
}

@test "not root: check says no, with the remedy, status 1" {
	dir=$(nobodys_tprof)
	run --separate-stderr as_nobody timeout 30 "$dir/tprof" check
	rm -rf "$dir"
	[ "$status" -eq 1 ]
	[[ $output == *"NO "* ]]
	[[ $output == *CAP_BPF* ]]
	[[ $output == *"tprof record cannot work here"* ]]
}

@test "no BTF" {
	run --separate-stderr unshare -m sh -c '
		mount -t tmpfs none /sys/kernel/btf && timeout 30 "$TPROF" record -d 1 -- sleep 1'
	one_line 1 "BTF"
}

@test "no BTF: check says so" {
	run unshare -m sh -c 'mount -t tmpfs none /sys/kernel/btf && timeout 30 "$TPROF" check'
	[ "$status" -eq 1 ]
	[[ $output == *"NO "*BTF* ]]
}

@test "check passes where record works" {
	run --separate-stderr "$TPROF" check
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"tprof record works here."* ]]
	[ -z "$stderr" ]
}
