# SPDX-License-Identifier: BSD-2-Clause
# Which capabilities record needs, what each missing one costs, and what it gives up (docs/privileges.md).

load live

# The documented set. One after the other is taken away below.
ALL="bpf perfmon sys_ptrace checkpoint_restore dac_read_search syslog setuid setgid kill"

setup() {
	need_bpf
	cd "$BATS_TEST_TMPDIR" || return
	dir=$(mktemp -d /tmp/tprof-priv.XXXXXX)
	chmod 755 "$dir"
	install -d -m 777 "$dir/out"
	# somebody's program, where nobody else can go
	install -d -m 700 -o 12345 -g 12345 "$dir/home"
	install -o 12345 -g 12345 "$TPROF" "$dir/tprof"
	install -o 12345 -g 12345 "$WORKLOADS/cpu_burn" "$dir/home/cpu_burn"
}

teardown() {
	reap "${tprof:-}" "${target:-}"
	rm -rf "${dir:?}"
}

# with "CAPS…" COMMAND…: as nobody, with these capabilities and no others
with() {
	local c caps=-all
	for c in $1; do caps+=,+$c; done
	shift
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps="$caps" --ambient-caps="$caps" \
		--bounding-set="$caps" "$@"
}

without() { sed "s/\<$1\>//" <<<"$ALL"; }

burn() {
	setpriv --reuid=12345 --regid=12345 --clear-groups "$dir/home/cpu_burn" 60 >/dev/null 3>&- &
	target=$!
	await grep -q cpu_burn /proc/$target/comm
}

# recorded "CAPS…": a second of another user's process, into ./r.tprof
recorded() {
	run --separate-stderr with "$1" "$dir/tprof" record -q -F 999 -d 500ms -o "$dir/out/r.tprof" -p "$target"
	echo "status $status, stderr: $stderr"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	mv "$dir/out/r.tprof" r.tprof
	folded r.tprof >folded
	"$TPROF" report r.tprof | tr -s '\n ' ' ' >report
	cat folded report
}

one_line() {
	echo "status $status, stderr: $stderr"
	[ "$status" -eq 1 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr =~ $1 ]]
}

# Of the samples of cpu_burn, whatever share of a CPU it got: how many match.
most() { # PATTERN
	local all
	all=$(samples_of '^cpu_burn;' <folded)
	at_least "$all" 5
	at_least "$(samples_of "^cpu_burn;.*$1" <folded)" $((all * 9 / 10))
}
named() { most ';burn'; }
whole() { [ "$(samples_of '[[]truncated' <folded)" -eq 0 ]; }

@test "not root, with the documented capabilities: another user's process, whole, with all names" {
	burn
	recorded "$ALL"
	named
	whole
	[ "$(stat -c %a,%u r.tprof)" = 600,65534 ]
	run ! grep -q 'have no names' report
}

@test "without CAP_BPF or CAP_PERFMON: one line that names it, status 1" {
	burn
	for c in bpf perfmon; do
		run --separate-stderr with "$(without $c)" "$dir/tprof" record -q -d 1 -o "$dir/out/r.tprof" -p $target
		one_line "CAP_${c^^} is missing"
	done
	run --separate-stderr with "" "$dir/tprof" record -q -d 1 -o "$dir/out/r.tprof" -p $target
	one_line "CAP_BPF and CAP_PERFMON are missing"
}

@test "without CAP_CHECKPOINT_RESTORE: files by their names; a deleted one has none" {
	burn
	recorded "$(without checkpoint_restore)"
	named
	whole
	rm "$dir/home/cpu_burn"
	recorded "$(without checkpoint_restore)"
	most '[[]cpu_burn'
	recorded "$ALL"
	named
}

@test "without CAP_DAC_READ_SEARCH: files in private directories stay without names and tables" {
	burn
	recorded "$(without dac_read_search)"
	most '[[]truncated.*[[]cpu_burn'
	grep -q 'without a name in .*cpu_burn' report
}

@test "without CAP_SYSLOG: the kernel's functions are one [kernel]" {
	[ "$(cat /proc/sys/kernel/perf_event_paranoid)" -gt 1 ] || skip "host: perf_event_paranoid lets all see addresses"
	yes >/dev/null 3>&- &
	target=$!
	recorded "$ALL"
	grep -q 'write.*_[[]k' folded
	run ! grep -q '[[]kernel' folded
	recorded "$(without syslog)"
	grep -q ';[[]kernel' folded
	grep -q 'kernel functions have no names' report
}

@test "without CAP_SYS_PTRACE: less of other users' processes, by kernel; never an error" {
	burn
	recorded "$(without sys_ptrace)"
	at_least "$(samples_of '^cpu_burn;' <folded)" 5
}

@test "without CAP_SETUID or CAP_SETGID: a JVM of another user is not asked, and a note says so" {
	java "$(readlink -f "$BATS_TEST_DIRNAME/../workloads/Busy.java")" 60 >up 3>&- &
	target=$!
	await grep -q up up
	for c in setuid setgid; do
		recorded "$(without $c)"
		grep -q 'Java functions have no names: tprof may not act as its user' report
	done
	recorded "$ALL"
	run ! grep -q 'Java functions have no names' report
	kill -0 $target
}

@test "without CAP_KILL: a command that became another user goes on" {
	for caps in "$ALL" "$(without kill)"; do
		# into a file: a pipe would be waited for until sleep ends
		with "$caps setpcap" "$dir/tprof" record -q -d 300ms -o "$dir/out/k.tprof" -- \
			setpriv --reuid=12346 sh -c 'echo $$; exec sleep 60' >said 2>&1 3>&-
		target=$(head -1 said)
		if [ "$caps" = "$ALL" ]; then
			await eval '! kill -0 '"$target"
		else
			grep -q '^State:.*[SR] (' "/proc/$target/status"
			kill -KILL "$target"
		fi
	done
}

@test "CAP_SYS_ADMIN does for CAP_BPF, CAP_PERFMON and CAP_CHECKPOINT_RESTORE" {
	burn
	recorded "sys_admin sys_ptrace dac_read_search syslog"
	named
	whole
}

# The lines of /proc/PID/status that are about privileges.
privileges() { grep -E '^(Cap|NoNewPrivs|Seccomp:)' "/proc/$1/status"; }

@test "once attached, root keeps what is still needed, no new privileges, a filter of system calls" {
	burn
	record_start r -p $target
	await grep -q 'Seccomp:[[:space:]]*2' /proc/$tprof/status
	await grep -q 'CapBnd:[[:space:]]*000001c4' /proc/$tprof/status
	privileges $tprof
	kept=$(capsh --decode="$(awk '/^CapPrm/ {print $2}' /proc/$tprof/status)")
	[ "${kept#*=}" = cap_chown,cap_dac_override,cap_dac_read_search,cap_fowner,cap_kill,cap_setgid,cap_setuid,cap_sys_ptrace,cap_syslog,cap_perfmon,cap_bpf,cap_checkpoint_restore ]
	[ "$(awk '/^Cap(Eff|Prm|Bnd)/ {print $2}' /proc/$tprof/status | sort -u | wc -l)" -eq 1 ]
	[ "$(awk '/^NoNewPrivs/ {print $2}' /proc/$tprof/status)" = 1 ]
	record_stop
}

@test "a command has all that its caller has" {
	privileges self >before
	"$TPROF" record -q -d 20 -o c.tprof -- sh -c 'sleep 0.5; grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status' >inside
	diff before inside
}

@test "from file capabilities: records, and lends nobody its rights" {
	burn
	caps=$(sed 's/[a-z_]*/cap_&/; s/ \([a-z]\)/,cap_\1/g' <<<"$ALL")
	chown 0:65534 "$dir/tprof"
	chmod 750 "$dir/tprof"
	setcap "$caps=ep" "$dir/tprof" || skip "file system: takes no capabilities"
	run --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
		"$dir/tprof" record -q -F 499 -d 1 -o "$dir/out/r.tprof" -p $target
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ "$(stat -c %a,%u "$dir/out/r.tprof")" = 600,65534 ]
	folded "$dir/out/r.tprof" >folded
	named
	whole
	# a command that it starts has none of them
	run --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
		"$dir/tprof" record -q -d 5 -o "$dir/out/c.tprof" -- grep -E 'Cap(Prm|Eff)' /proc/self/status
	[ "$status" -eq 0 ]
	[ "$(awk '{print $2}' <<<"$output" | sort -u)" = 0000000000000000 ]
	# and somebody else's recording stays closed
	"$TPROF" record -q -d 200ms -o "$dir/out/root.tprof" -p $target
	run --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
		"$dir/tprof" report "$dir/out/root.tprof"
	one_line "Permission denied"
}

@test "the capabilities of the systemd unit do, with no new privileges" {
	burn
	unit=$BATS_TEST_DIRNAME/../../docs/tprof@.service
	caps=$(sed -n 's/^AmbientCapabilities=//p' "$unit" | tr 'A-Z' 'a-z' | sed 's/cap_//g')
	[ "$caps" = "$ALL" ]
	[ "$(sed -n 's/^CapabilityBoundingSet=//p' "$unit")" = "$(sed -n 's/^AmbientCapabilities=//p' "$unit")" ]
	with "$caps" setpriv --no-new-privs "$dir/tprof" record -q -F 999 -d 500ms -o "$dir/out/r.tprof" -p $target
	folded "$dir/out/r.tprof" >folded
	named
	whole
}
