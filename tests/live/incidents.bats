# SPDX-License-Identifier: BSD-2-Clause
# The two incidents of docs/incident-*.md: the right findings, in the right order, and none after the
# fix. What the rest of this machine does is no finding about the target: it has the first claim to the
# CPUs, and cpu-starvation is left out.

load live

setup() {
	need_bpf
	cd "$BATS_TEST_TMPDIR" || return
	target=
}

teardown() { reap $target; }

# record_target SECONDS NAME: recorded once it is warm; its findings one a line in `found`. The recording
# stays for the tests that follow.
record_target() {
	await grep -q up up
	sleep 1.5
	"$TPROF" record -q -d "$1" -p "$target" -o r.tprof
	cp r.tprof "$BATS_FILE_TMPDIR/$2.tprof"
	json r.tprof >json
	jq -r '.findings[] | select(.id != "cpu-starvation") | .id' json >found
	cat found
}

# gone BEFORE AFTER: what `tprof diff` says is found no more.
gone() {
	"$TPROF" diff "$BATS_FILE_TMPDIR/$1.tprof" "$BATS_FILE_TMPDIR/$2.tprof" --json >changes
	jq -r '.findings_gone[].id' changes
}

java_start() { # MODE
	command -v javac >/dev/null
	javac -d . "$BATS_TEST_DIRNAME/../workloads/Incident.java"
	# what HotSpot compiles into its caller has no name of its own in a perf map
	chrt -r 1 java -XX:+PreserveFramePointer -XX:+UseSerialGC \
		-XX:CompileCommand=quiet -XX:CompileCommand=dontinline,Incident*::writeBytes \
		-cp . Incident "$1" 60 >up 3>&- &
	target=$!
}

@test "a server walks an ever-growing list in a module: the thread and the function are named" {
	chrt -r 1 "$WORKLOADS/incident_server" 60 >up 3>&- &
	target=$!
	record_target 4 slow
	[ "$(head -n1 found)" = hot-thread ]
	jq -e '[.findings[] | select(.title | contains("find_peer"))] | length > 0' json
	jq -e '.findings[0].title | contains("registrations")' json
	jq -e '.functions[0] | .name == "find_peer" and (.module | contains("libregistrar.so"))' json
	# the idle threads are seen, and are nobody's fault
	[ "$(jq '[.threads[] | select(.group == "worker-*")] | length' json)" -eq 40 ]
	run ! grep -q -e lock-contention -e thread-churn found
}

@test "… and nothing is found once peers are found again" {
	chrt -r 1 "$WORKLOADS/incident_server" 60 fixed >up 3>&- &
	target=$!
	record_target 2 quick
	[ ! -s found ]
	gone slow quick | grep -qx hot-thread
	jq -e '.functions[0] | .name == "find_peer" and .self.significant and .self.b < .self.a / 10' changes
}

@test "… and early against late names the walk first, while it grows" {
	chrt -r 1 "$WORKLOADS/incident_server" 60 8 >up 3>&- &
	target=$!
	await grep -q up up
	"$TPROF" record -q -F 499 -d 12 -p "$target" -o grows.tprof
	"$TPROF" diff grows.tprof@0s-2s grows.tprof@10s- --json >changes
	jq -e '.functions[0] | .name == "find_peer" and .module == "libregistrar.so" and
		.self.significant and .self.b > 1.5 * .self.a' changes
}

@test "Java, a thread for each task: churn, and who creates them" {
	java_start per-task
	record_target 3 per-task
	[ "$(head -n1 found)" = thread-churn ]
	jq -e '.findings[] | select(.id == "thread-churn") | .title |
		contains("SimpleAsync-*") and contains("SimpleAsyncTaskExecutor.execute")' json
	run ! grep -q lock-contention found
}

@test "Java, a pool that logs through one lock: the lock" {
	java_start one-lock
	record_target 3 one-lock
	[ "$(head -n1 found)" = lock-contention ]
	run ! grep -q thread-churn found
	jq -e '.findings[0].title | contains("8 threads (pool-*)") and
		contains("OutputStreamAppender.writeBytes")' json
	# from the log through the lock to where it sleeps
	folded r.tprof --kind lock >lock
	[ "$(samples_of '^pool-[0-9];.*OutputStreamAppender.writeBytes_.*Unsafe.park_.*pthread_cond_wait' <lock)" -gt \
		"$(($(samples_of '^pool-' <lock) * 9 / 10))" ]
}

@test "Java, fixed: nothing, and both are gone" {
	java_start fixed
	record_target 3 fixed
	[ ! -s found ]
	gone per-task fixed | grep -qx thread-churn
	gone one-lock fixed | grep -qx lock-contention
	[ "$(jq '.findings_new | length' changes)" = 0 ]
}
