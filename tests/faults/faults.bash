# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2154 # set by bats
# For the faults: `load faults`. Everything of the live tests, and:

load ../live/live

# figure TEST TEXT…: what was measured, for docs/faults.md (make faults)
figure() { [ -z "${FAULTS_FIGURES:-}" ] || echo "$*" >>"$FAULTS_FIGURES"; }

# lost KEY FILE.json
lost() { jq ".losses.$1 // 0" "$2"; }

# Every sample of so many ns of CPU is there, or counted as lost; the threads' times too. Where others
# run on the machine when a sample is due is chance: four standard deviations, and PERCENT.
#	right_totals FILE.json NS HZ PERCENT
right_totals() {
	local samples seconds
	samples=$(jq '.cpu.samples + (.losses.samples // 0)' "$1")
	seconds=$(jq '[.threads[].cpu_seconds] | add' "$1")
	echo "samples and lost ones $samples, threads $seconds s, truth $2 ns at $3 Hz"
	near "$samples" "$(awk "BEGIN {print $2 / 1e9 * $3}")" \
		"$(awk "BEGIN {n = $2 / 1e9 * $3; print n * $4 / 100 + 4 * sqrt(n)}")"
	# what a host takes from this machine is in the threads' times, in no sample
	at_least "$seconds" "$(awk "BEGIN {print $2 / 1e9 * (1 - $4 / 100)}")"
}

# "… ns SUM" of the workload's last line
ns_of() { sed -n 's/.*ns \([0-9]*\)$/\1/p' "$1" | tail -1; }

# Records `faults ARGS` from its first instruction: r.tprof, r.json, its output in `said`.
#	record_faults "OPTIONS" ARGS…
record_faults() {
	local options=$1
	shift
	# shellcheck disable=SC2086
	timeout -k 5 120 "$TPROF" record -q $options -o r.tprof -- "$WORKLOADS/faults" "$@" \
		>said 2>err </dev/null
	json r.tprof >r.json
}

# BPF programs, maps and links of the host, one a line. Chunks of unwind tables are held by no
# descriptor: while somebody else's tprof runs, they may be his.
bpf_ids() {
	local but=
	[ "$(pgrep -cx tprof)" = "$(own_processes | wc -l)" ] || but=unwind_chunk
	bpftool -j prog show | jq -r '.[] | "prog \(.id)"'
	bpftool -j map show | jq -r --arg but "$but" '.[] | select(.name != $but) | "map \(.id)"'
	bpftool -j link show | jq -r '.[] | "link \(.id)"'
}

# Those that came since a list was taken, without what a process holds that is none of ours.
bpf_new() { # LIST
	bpf_ids >now
	# /proc/PID/fdinfo/FD:prog_id:	NUMBER
	grep -sE '^(prog|map|link)_id:' /proc/[0-9]*/fdinfo/* |
		awk -v own=" $(own_processes | tr '\n' ' ')" -F '[/:\t]+' '
			index(own, " " $3 " ") == 0 {sub(/_id/, "", $6); print $6, $7}' >held
	sort "$1" held | uniq >known
	sort now | comm -23 - known
}

bpf_none_new() { [ -z "$(bpf_new "$1")" ]; }

# Bytes of kernel memory of these "prog ID" and "map ID" lines.
bpf_memory() {
	local kind id
	while read -r kind id; do
		[ "$kind" = link ] || bpftool -j "$kind" show id "$id" 2>/dev/null | jq .bytes_memlock
	done | awk '{sum += $1} END {print sum + 0}'
}

# Processes of this very binary that are still there.
own_processes() {
	find /proc/[0-9]*/exe -maxdepth 0 -lname "$(readlink -f "$TPROF")" 2>/dev/null | cut -d/ -f3
}
none_own() { [ -z "$(own_processes)" ]; }
