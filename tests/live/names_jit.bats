# SPDX-License-Identifier: BSD-2-Clause
# Names that no file holds: Java, Node, Go.

load live

setup() {
	need_bpf
	cd "$BATS_TEST_TMPDIR" || return
	busy=$(readlink -f "$BATS_TEST_DIRNAME/../workloads/Busy.java")
}

teardown() {
	reap "${tprof:-}" "${target:-}" "${outer:-}"
	rm -f "/tmp/perf-${target:-0}.map" "/tmp/.java_pid${target:-0}"
}

# java_start OPTIONS…: Busy.java, up and running, in $target.
java_start() {
	java "$@" "$busy" 60 >up 3>&- &
	target=$!
	await grep -q up up
}

# Of the frames in ./folded (each as often as it was sampled): JIT frames, and those with a name.
jit_frames() {
	awk '{n = $NF; $NF = ""; k = split($0, f, ";")
	      for (i = 1; i <= k; i++) if (f[i] ~ /_\[j\] ?$/) {all += n; named += n * (f[i] !~ /^\[jit\+/)}}
	     END {print all + 0, named + 0}' folded
}

named_99() {
	read -r all named < <(jit_frames)
	at_least "$all" 200
	at_least "$named" $((all * 99 / 100))
}

@test "Java: the JVM is asked; on-CPU and lock stacks have names" {
	java_start -XX:+PreserveFramePointer
	record_start j -F 499 -d 3 -p $target
	wait $tprof
	folded j.tprof >folded
	named_99
	at_least "$(samples_of ';Busy.compute_\[j\]' <folded)" 20
	folded --kind lock j.tprof >folded
	named_99
	grep -E ';Busy.append_\[j\];.*;jdk.internal.misc.Unsafe.park_\[j\];.*futex' folded
	kill -0 $target
	[ ! -e /tmp/.attach_pid$target ]
	[ ! -e /tmp/perf-$target.map ]
	json j.tprof | jq -e '[.threads[].group] | unique | contains(["logger-*", "G1 Conc#*", "C2 CompilerThre"])'
}

@test "Java in user, PID and mount namespaces of its own" {
	in_userns 'cat <&4 >Busy.java && exec java -XX:+PreserveFramePointer Busy.java 60' 4<"$busy" >up
	await grep -q up up
	record_start n -F 499 -d 3 -p "$target"
	wait $tprof
	folded n.tprof >folded
	named_99
}

@test "Java: what asking the JVM stops it for" {
	java -XX:+PreserveFramePointer "$BATS_TEST_DIRNAME/../workloads/Pause.java" 120 >up 3>&- &
	target=$!
	await grep -q up up
	record_start p -F 499 -p $target
	await_cpu $target 150
	record_stop
	# it was asked, once when its code first showed up, and is blocked for nothing else
	at_least "$(folded p.tprof | samples_of '^compute;.*;Pause.compute')" 50
	ms=$(json p.tprof | jq '[.threads[] | select(.comm == "compute").offcpu_seconds * 1000] | add')
	echo "# the JVM's work was stopped for $ms ms" >&3
	at_least 50 "$ms"
}

@test "Java that is compiled again and again: names are right, whatever took an address over" {
	java -XX:+PreserveFramePointer "$BATS_TEST_DIRNAME/../workloads/Recompile.java" 120 >up 3>&- &
	target=$!
	await grep -q up up
	record_start c -F 499 -p $target
	await_cpu $target "${RECOMPILE_CPU:-500}" # hundredths of a second
	record_stop
	folded c.tprof | grep '^thread-[A-D];' >folded
	named_99
	[ -z "${RECOMPILE_CPU:-}" ] || echo "# $named of $all Java frames have names" >&3
	for t in A B C D; do
		at_least "$(samples_of "^thread-$t;.*Recompile.$t.turn" <folded)" 10
		wrong=$(samples_of "^thread-$t;.*Recompile.[^$t].turn" <folded)
		at_least $(($(samples_of "^thread-$t;" <folded) / 100)) "$wrong"
	done
	[ ! -e /tmp/perf-$target.map ]
}

@test "Java without frame pointers, and left alone: said in the report" {
	java_start -XX:-PreserveFramePointer
	record_start p -F 199 -d 2 -p $target
	wait $tprof
	"$TPROF" report p.tprof | tr '\n' ' ' >report
	grep -q -- 'without -XX:+PreserveFramePointer' report
	rm -f /tmp/perf-$target.map
	record_start q -F 199 -d 1 --no-jvm -p $target
	wait $tprof
	[ ! -e /tmp/perf-$target.map ]
}

@test "a JVM that cannot be attached to is not harmed" {
	java_start -XX:+DisableAttachMechanism
	record_start d -F 199 -d 2 -p $target
	wait $tprof
	"$TPROF" report d.tprof | tr '\n' ' ' | grep -q 'DisableAttachMechanism'
	kill -0 $target
	[ "$(cat up)" = up ] # no thread dump
}

@test "nor one that says so in its environment, which is not read" {
	export JAVA_TOOL_OPTIONS=-XX:+DisableAttachMechanism
	java_start
	strace -f -e trace=openat,open -o trace "$TPROF" record -q -o e.tprof -F 199 -d 2 -p $target
	unset JAVA_TOOL_OPTIONS
	"$TPROF" report e.tprof | tr '\n' ' ' | grep -q 'DisableAttachMechanism'
	kill -0 $target
	[ "$(grep -v Picked up)" = up ]
	grep -q "/proc/$target/" trace
	run ! grep /environ trace
}

# jit_start: code without names in $target, at $code; where its map is looked for: $map.
jit_start() {
	"$WORKLOADS/jit" 600 >up 3>&- &
	target=$!
	await grep -q . up
	code=$(cat up)
	map=/tmp/perf-$target.map
}

# What 0.2 s of it looks like, and what the report says, which must not take long.
jit_record() {
	record_start j -F 999 -p $target
	await_cpu $target 20
	${1:-true}
	record_stop
	folded j.tprof >folded
	"$TPROF" report j.tprof | tr '\n' ' ' >report
}

# most of ./folded is in code of that name
jit_named() { at_least "$(samples_of ";$1_\\[j\\]( |;)" <folded)" $(($(samples_of . <folded) * 9 / 10)); }

grows() {
	echo "$code 100 better" >>"$map"
	await_cpu $target 10
}

@test "a perf map is read as it grows, the latest line wins" {
	jit_start
	echo "$code 100 good" >"$map"
	jit_record
	jit_named good
	jit_record grows
	jit_named better
}

@test "a perf map in the mount namespace of a process that is gone" {
	unshare -m sh -c 'mount -t tmpfs none /tmp && {
			until [ -s up ]; do sleep 0.02; done
			echo "$(cat up) 100 taken" >/tmp/perf-$$.map
		} & exec "$0" 3 >up' "$WORKLOADS/jit" 3>&- &
	target=$!
	await grep -q jit /proc/$target/comm
	record_start g -F 999 -p $target
	wait $target $tprof
	folded g.tprof >folded
	jit_named taken
}

@test "a perf map in user, PID and mount namespaces of its own; somebody else's is not read" {
	in_userns 'cat <&4 >jit && chmod 755 jit && exec ./jit 600' 4<"$WORKLOADS/jit" >up
	await grep -q . up
	code=$(cat up)
	nsenter -U -m -t "$target" sh -c "echo $code 100 inside >/tmp/perf-1.map"
	[ "$(stat -c %u "/proc/$target/root/tmp/perf-1.map")" = 100000 ]
	jit_record
	jit_named inside
	nsenter -U -m -t "$target" chown 1 /tmp/perf-1.map
	jit_record
	jit_named '\[jit[+]0x[0-9a-f]+\]'
	grep -q 'not read: it belongs to somebody else' report
}

@test "perf maps that are not what they should be" {
	jit_start
	echo "$code 100 secret" >secret
	ln -s "$PWD/secret" "$map"
	jit_record
	grep -q 'not read: it is a symbolic link' report
	rm "$map"

	ln secret "$map"
	jit_record
	grep -q 'not read: it belongs to somebody else' report
	rm "$map"

	mkfifo "$map"
	jit_record
	grep -q 'not read: it is no regular file' report
	rm "$map"

	cp secret "$map"
	chown 1234 "$map"
	jit_record
	grep -q 'not read: it belongs to somebody else' report
	run ! grep secret folded
	rm "$map"

	head -c 5000000 /dev/urandom >"$map"
	jit_record
	jit_named '\[jit[+]0x[0-9a-f]+\]'
	rm "$map"

	truncate -s 10G "$map"
	printf '\n%s 100 end\n' "$code" >>"$map"
	jit_record
	jit_named end
	rm "$map"

	{ printf '%s 100 ' "$code"; head -c 1000000 /dev/zero | tr '\0' x; echo; } >"$map"
	jit_record
	jit_named x+
	[ "$(wc -L <folded)" -lt 5000 ]

	printf '%s 100 a\033[2Jb\tc\r\n' "$code" >"$map"
	jit_record
	jit_named 'a[?].2Jb[?]c'
}

@test "Node by its perf map" {
	cat >hot.js <<-'EOF'
		function hot(n) { let s = 0; for (let i = 0; i < n; i++) s += Math.sqrt(i) ^ s; return s }
		console.log("up");
		const end = Date.now() + 60000;
		while (Date.now() < end) hot(1e5);
	EOF
	node --perf-basic-prof hot.js >up 3>&- &
	target=$!
	await grep -q up up
	record_start o -F 499 -p $target
	await_cpu $target 60
	record_stop
	folded o.tprof >folded
	read -r all named < <(jit_frames)
	at_least "$all" 50
	at_least "$named" $((all * 95 / 100))
	grep -q ';JS:\*hot .*hot.js:1:13_\[j\]' folded
}

@test "Node: V8's builtins in its binary have names, and callers" {
	cat >sort.js <<-'EOF'
		const words = []; for (let i = 0; i < 2000; i++) words.push("w" + (i * 7919 % 2000));
		function hot() {
			const m = new Map();
			for (const w of words) m.set(w, (m.get(w) || 0) + 1);
			return [...m.keys()].sort().join(",").length;
		}
		console.log("up");
		const end = Date.now() + 60000;
		while (Date.now() < end) hot();
	EOF
	node --perf-basic-prof sort.js >up 3>&- &
	target=$!
	await grep -q up up
	record_start b -F 499 -p $target
	await_cpu $target 60
	record_stop
	folded b.tprof | grep '^node;' >folded
	all=$(samples_of '' <folded)
	at_least "$all" 100
	at_least "$(samples_of '^node;_start;.*;Builtins_JSEntry;.*;JS:[^;]*hot ' <folded)" $((all * 80 / 100))
	at_least "$(samples_of ';JS:[^;]*hot [^;]*;Builtins_[A-Za-z]*Sort;' <folded)" $((all * 20 / 100))
	at_least $((all * 2 / 100)) "$(samples_of '\[truncated\]' <folded)"
}

@test "Node without one: the report says what to do" {
	node -e 'console.log("up"); const e = Date.now() + 60000; let s = 0
		while (Date.now() < e) for (let i = 0; i < 1e5; i++) s += Math.sqrt(i) ^ s' >up 3>&- &
	target=$!
	await grep -q up up
	record_start o -F 199 -d 1 -p $target
	wait $tprof
	"$TPROF" report o.tprof | tr '\n' ' ' | grep -q -- '--perf-basic-prof'
}

@test "Go, stripped, with C in it and without: goroutines, collector and signals have whole stacks" {
	export HOME=$PWD GOCACHE=$PWD/cache GO111MODULE=off
	cat >trees.go <<-'EOF'
		package main
		// void nothing(void) {}
		import "C"
		import ("os"; "strconv"; "sync"; "syscall")
		type node struct{ l, r *node }
		func tree(d int) *node {
			if d == 0 { return &node{} }
			return &node{tree(d - 1), tree(d - 1)}
		}
		func cpu() int64 {
			var u syscall.Rusage
			syscall.Getrusage(syscall.RUSAGE_SELF, &u)
			return u.Utime.Nano() + u.Stime.Nano()
		}
		func work(wg *sync.WaitGroup, ch chan int, until int64) {
			defer wg.Done()
			for cpu() < until { tree(12); ch <- 1; <-ch }
		}
		func main() {
			C.nothing()
			var wg sync.WaitGroup
			s, _ := strconv.ParseFloat(os.Args[1], 64)
			for i := 0; i < 8; i++ {
				wg.Add(1)
				go work(&wg, make(chan int, 1), int64(s * 1e9))
			}
			wg.Wait()
		}
	EOF
	go build -ldflags '-s -w' -o trees_c trees.go
	sed -i /C/d trees.go
	go build -ldflags '-s -w' -o trees trees.go
	for p in trees_c trees; do
		"$TPROF" record -q -F 499 -o t.tprof -- ./$p 1.5
		for kind in cpu offcpu; do
			folded --kind $kind t.tprof | grep "^$p;" >folded
			all=$(samples_of '' <folded)
			at_least "$all" 200
			at_least $((all / 100)) "$(samples_of '\[truncated\]' <folded)"
		done
		folded t.tprof >folded # by way of the go statement's wrapper
		grep -qE ';runtime.goexit;(main.main[^;]*;)?main.work;main.tree' folded
	done
}

@test "Python: its native stacks are whole" {
	cat >deep.py <<-'EOF'
		import time
		def down(n): return down(n - 1) if n else sum(i * i for i in range(20000))
		while time.process_time() < 2.5: down(20) # starting and ending are small beside it
	EOF
	"$TPROF" record -q -F 499 -o p.tprof -- /usr/bin/python3 deep.py
	folded p.tprof | grep '^python3' >folded
	all=$(samples_of '' <folded)
	at_least "$all" 100
	at_least "$(samples_of ';_PyEval_EvalFrameDefault' <folded)" $((all * 99 / 100))
	at_least $((all / 100)) "$(samples_of '\[truncated\]' <folded)"
}

@test "Go, stripped" {
	export HOME=$PWD GOCACHE=$PWD/cache GO111MODULE=off
	cat >hot.go <<-'EOF'
		package main
		import "time"
		type engine struct{ n uint64 }
		//go:noinline
		func (e *engine) turn() { for i := 0; i < 1000000; i++ { e.n = e.n*31 + uint64(i) } }
		func main() {
			e := &engine{}
			for end := time.Now().Add(time.Second); time.Now().Before(end); { e.turn() }
		}
	EOF
	go build -ldflags '-s -w' -o hot hot.go
	"$TPROF" record -q -F 499 -o g.tprof -- ./hot
	folded g.tprof | grep '^hot;' >folded
	all=$(samples_of '' <folded)
	at_least "$all" 50
	at_least "$(samples_of 'main.[(][*]engine[)].turn( |;)' <folded)" $((all * 90 / 100))
}
