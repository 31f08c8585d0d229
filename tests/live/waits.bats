# SPDX-License-Identifier: BSD-2-Clause
# Waits, locks and threads against programs that know the truth.

load live

setup_file() {
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR need_bpf
	cd "$BATS_FILE_TMPDIR"
	"$TPROF" record -q -o mutex.tprof -- "$WORKLOADS/waits" mutex 1500 >mutex.truth
	json mutex.tprof >mutex.json
	"$TPROF" record -q -o switches.tprof -- "$WORKLOADS/waits" switches 3 >switches.out
	grep -v '^life' switches.out >switches.truth
	json switches.tprof >switches.json
	"$TPROF" record -q -o edges.tprof -- "$WORKLOADS/waits" edges
	json edges.tprof >edges.json
}

setup() { cd "$BATS_FILE_TMPDIR"; }

# the lock of mutex.json
lock() { jq "[.locks[] | select(.type == \"mutex\")][0] | $1" mutex.json; }
# percent of the COUNT of stacks on stdin (lines "stack<tab>count") that match
share() { re=$1 awk -F'\t' '{n += $2} $1 ~ ENVIRON["re"] {m += $2} END {print n ? 100 * m / n : 0}'; }
percent() { awk "BEGIN {print $1 * $2 / 100}"; }

@test "a mutex: waits within 1 %, time within 2 %" {
	read -r _ waits _ ns <mutex.truth
	near "$(lock .waits)" "$waits" "$(percent "$waits" 1)"
	near "$(lock '.wait_seconds * 1e9')" "$ns" "$(percent "$ns" 2)"
}

@test "a mutex: the locking function in 99 % of the waiters' stacks" {
	at_least "$(lock '.waiters[] | "\(.stack)\t\(.waits)"' | sed 's/\\t/\t/' |
		share ';take_ledger;')" 99
}

@test "a mutex: the owner right in 95 % of the waits that name one" {
	owner=$(jq '.threads[] | select(.comm == "waits") | .tid' mutex.json)
	all=$(lock '[.owners[].waits] | add')
	right=$(lock "[.owners[] | select(.tid == $owner) | .waits] | add")
	at_least "$right" "$(percent "$all" 95)"
	at_least "$all" "$(percent "$(lock .waits)" 75)"
}

@test "a mutex: the waker is in the unlocking function" {
	at_least "$(lock '.wakers[] | "\(.stack)\t\(.count)"' | sed 's/\\t/\t/' |
		share ';give_ledger;')" 99
}

@test "a mutex: it has the variable's name" {
	lock .name | grep -q '^"ledger_lock in waits"$'
}

@test "switches of each thread are those of getrusage, within 1 %" {
	while read -r name _ voluntary _ involuntary _ _; do
		t=".threads[] | select(.comm == \"$name\")"
		near "$(jq "$t | .voluntary_switches" switches.json)" "$voluntary" \
			"$(awk "BEGIN {print $voluntary / 100 + 2}")"
		near "$(jq "$t | .involuntary_switches" switches.json)" "$involuntary" \
			"$(awk "BEGIN {print $involuntary / 100 + 2}")"
	done <switches.truth
}

@test "on-CPU + off-CPU + run queue is each thread's life, within 1 %" {
	while read -r name _ _ _ _ _ ns; do
		sum=$(jq ".threads[] | select(.comm == \"$name\") |
			(.cpu_seconds + .offcpu_seconds + .runq_seconds) * 1e9" switches.json)
		# it begins before its first look at the clock and ends after its last
		at_least "$sum" "$(percent "$ns" 99)"
		at_least "$(percent "$(awk -v n="$name" '$2 == n {print $3}' switches.out)" 101)" "$sum"
	done <switches.truth
}

@test "each thread is blocked in the system call that it calls" {
	blocked_most() { jq "[.threads[] | select(.comm == \"$1\") | .blocked_in | to_entries | max_by(.value) |
		.key][0]" switches.json; }
	[ "$(blocked_most doze)" = '"clock_nanosleep"' ]
	[ "$(blocked_most ping)" = '"read"' ]
	[ "$(blocked_most poller)" = '"epoll_wait"' ]
	[ "$(jq '.threads[] | select(.comm == "burn-a") | .offcpu_seconds < 0.05' switches.json)" = true ]
}

@test "off-CPU stacks end in the system call, their sum is the threads'" {
	folded switches.tprof --kind offcpu >offcpu
	grep -q '^doze;.*;clock_nanosleep_\[k\] ' offcpu
	threads=$(jq '.threads[] | select(.comm == "doze") | .offcpu_seconds * 1e6' switches.json)
	near "$(samples_of '^doze;' <offcpu)" "$threads" "$(percent "$threads" 1)"
}

@test "threads created are exact, also at 5,000 a second" {
	"$TPROF" record -q -o churn.tprof -- "$WORKLOADS/waits" churn 10000 5000 >churn.truth
	grep -q '^created 10000$' churn.truth
	json churn.tprof >churn.json
	[ "$(jq .thread_churn.created churn.json)" -eq 10000 ]
	[ "$(jq '[.thread_churn.groups[] | select(.name == "task-*") | .exited] | add' churn.json)" -eq 10000 ]
	[ "$(jq '[.losses[]] | add' churn.json)" -eq 0 ]
	at_least "$(jq -r '.thread_churn.groups[] | select(.name == "task-*") | .creators[] |
		"\(.stack)\t\(.count)"' churn.json | share ';launch;')" 99
	# a command has its tables from the start, and a thread that has just been made is a root
	for kind in cpu runq offcpu; do
		folded churn.tprof --kind $kind >churn.folded 2>/dev/null
		[ "$(samples_of '^task-[0-9]*;\[truncated\]' <churn.folded)" -eq 0 ]
	done
	[ "$(jq .stacks.spawn.truncated churn.json)" -eq 0 ]
}

@test "threads created as fast as the machine can are exact, too" {
	"$TPROF" record -q -o fast.tprof -- "$WORKLOADS/waits" churn 40000 1000000 >fast.truth
	json fast.tprof >fast.json
	[ "$(jq .thread_churn.created fast.json)" -eq 40000 ]
	[ "$(jq .thread_churn.exited fast.json)" -eq 40000 ]
}

@test "a pool of 200 idle threads: all of them seen, all asleep, nothing found" {
	"$WORKLOADS/waits" pool 200 >pool.out 3>&- &
	pool=$!
	await grep -q ready pool.out
	"$TPROF" record -q -d 2 -p $pool -o pool.tprof
	reap $pool
	json pool.tprof >pool.json
	[ "$(jq '.threads | length' pool.json)" -eq 201 ]
	[ "$(jq '[.threads[] | select(.offcpu_seconds > 1.9)] | length' pool.json)" -eq 201 ]
	[ "$(jq '[.threads[] | select(.blocked_in.futex > 1.9)] | length' pool.json)" -eq 200 ]
	[ "$(jq '.findings | length' pool.json)" -eq 0 ]
}

@test "a target with 10,000 threads" {
	"$WORKLOADS/waits" pool 10000 >many.out 3>&- &
	pool=$!
	await grep -q ready many.out
	"$TPROF" record -q -d 1 -p $pool -o many.tprof
	reap $pool
	json many.tprof >many.json
	[ "$(jq '.threads | length' many.json)" -eq 10001 ]
	[ "$(jq '[.losses[]] | add' many.json)" -eq 0 ]
}

@test "waits that end by timeout are told apart, and nobody woke them" {
	"$TPROF" record -q -o timeouts.tprof -- "$WORKLOADS/waits" timeouts 200
	waits=$(json timeouts.tprof | jq '[.locks[].waits] | add')
	at_least "$waits" 150
	near "$(sqlite3 timeouts.tprof 'select sum(timeouts) from locks')" "$waits" "$(percent "$waits" 2)"
	[ "$(json timeouts.tprof | jq '[.locks[].wakers[]] | length')" -eq 0 ]
}

@test "futex waits of every kind: PI with its owner, vector, requeue, bitset, ended by a signal" {
	"$TPROF" record -q -o kinds.tprof -- "$WORKLOADS/waits" kinds
	json kinds.tprof >kinds.json
	kind() { jq -r ".locks[] | select(.name == \"kind_$1 in waits\") | $2" kinds.json; }
	[ "$(kind pi '"\(.type) \(.waits) \(.owners[0].waits) \(.timeouts)"')" = "mutex 5 5 0" ]
	[ "$(kind bitset '"\(.waits) \(.timeouts)"')" = "5 5" ]
	[ "$(kind requeue '"\(.type) \(.waits) \(.timeouts)"')" = "condvar 5 5" ]
	[ "$(kind vector '"\(.waits) \(.timeouts)"')" = "5 5" ] # futex_waitv: 5.16
	[ "$(kind signal .signals)" -ge 19 ]
	[ "$(kind signal '.histogram_us | add')" = "$(kind signal .waits)" ]
}

@test "a mutex that two processes share is one lock, though each has it at another address" {
	"$TPROF" record -q -o shared.tprof -- "$WORKLOADS/waits" shared 200
	[ "$(json shared.tprof | jq '.locks | length')" -eq 1 ]
	[ "$(json shared.tprof | jq -r '.locks[0].type')" = mutex ]
	at_least "$(json shared.tprof | jq '[.locks[0].wakers[].count] | add')" 150
	# each is held by the other process
	[ "$(json shared.tprof | jq '.locks[0].owners | length')" -eq 2 ]
	at_least "$(json shared.tprof | jq '.locks[0].waits')" 200
	[ "$(sqlite3 shared.tprof 'select count(distinct t.process) from lock_users u
		join threads t on t.id = u.thread where u.role = 1')" -eq 2 ]
}

@test "a futex whose page goes, and garbage where its owner would be: no owner" {
	[ "$(jq '[.locks[] | select(.type == "mutex") | .waits] | add' edges.json)" -eq 2 ]
	[ "$(jq '[.locks[].owners[]] | length' edges.json)" -eq 0 ]
}

@test "threads named with control characters are groups, and harmless in every output" {
	[ "$(jq '.thread_churn.created' edges.json)" -eq 6 ]
	jq -e '[.threads[].comm] | index("c\nd;e")' edges.json
	"$TPROF" report edges.tprof | grep -qP '\x1b|\xff' && false
	folded edges.tprof --kind offcpu >edges.folded
	# one line a stack: each ends in a number
	[ "$(grep -cv ' [0-9]*$' edges.folded)" -eq 0 ]
}

@test "blocked when the recording begins and ends: clipped to the recording" {
	sleep 1000 3>&- &
	sleeper=$!
	await grep -q sleeping /proc/$sleeper/status
	"$TPROF" record -q -d 1 -p $sleeper -o blocked.tprof
	reap $sleeper
	near "$(json blocked.tprof | jq '.threads[0].offcpu_seconds')" \
		"$(json blocked.tprof | jq '.span.seconds')" 0.02
	near "$(json blocked.tprof | jq '.threads[0].blocked_in.clock_nanosleep')" 1 0.1
}

@test "-a has waits of all, and none of tprof's own" {
	"$TPROF" record -q -d 1 -a -o all.tprof &
	wait $!
	[ "$(json all.tprof | jq "[.threads[] | select(.tid == $!)] | length")" -eq 0 ]
	at_least "$(json all.tprof | jq '.switches.voluntary')" 1
}

@test "--no-waits and --no-threads attach nothing and record nothing" {
	"$TPROF" record -q --no-waits --no-threads -o without.tprof -- "$WORKLOADS/waits" mutex 50
	json without.tprof >without.json
	[ "$(jq '.switches.voluntary + .thread_churn.created + (.locks | length)' without.json)" -eq 0 ]
}
