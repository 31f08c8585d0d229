#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Exports as the programs that read them see them. The recording is written by hand: known.spec.

bats_require_minimum_version 1.5.0

setup_file() {
	export OUT=$BATS_FILE_TMPDIR
	"$TPROF_BUILD/tests/browser/mkprofile" "$OUT/known.pb.gz" "$OUT/known.speedscope.json" \
		"$OUT/known.firefox.json" "$OUT/known.folded" < "$BATS_TEST_DIRNAME/known.spec"
	sed 's/;draw_\[j\];walk;walk;walk 20/;draw_[j] 90/' "$BATS_TEST_DIRNAME/known.spec" |
		"$TPROF_BUILD/tests/browser/mkprofile" "$OUT/grown.pb.gz"
	export PPROF_TMPDIR=$OUT
}

pprof() { # ARGUMENTS…: go tool pprof's words, one space between them
	command -v go >/dev/null || skip "host: no go (Debian: golang-go)"
	run go tool pprof -symbolize=none "$@"
	output=$(tr -s ' ' <<<"$output")
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "pprof: go tool pprof -top has the shares" {
	pprof -sample_index=samples -top "$OUT/known.pb.gz"
	grep -qF "Type: samples" <<<"$output"
	grep -qF "100% of 100 total" <<<"$output"
	grep -qF " 30 30.00% 30.00% 30 30.00% tcp_send" <<<"$output"
	grep -qE " 10 10.00% [0-9.]+% 45 45.00% parse" <<<"$output"
}

@test "pprof: cpu is the default, other kinds are sample types of their own" {
	pprof -top "$OUT/known.pb.gz"
	grep -qF "Type: cpu" <<<"$output"
	pprof -sample_index=lock -top "$OUT/known.pb.gz"
	grep -qF "1.50s 100% 100% 1.50s 100% pthread_mutex_lock" <<<"$output"
}

@test "pprof: -traces tells thread, tid and truncated stacks" {
	pprof -traces "$OUT/known.pb.gz"
	grep -qF "thread: worker-2" <<<"$output"
	grep -qF "tid: 2" <<<"$output"
	grep -qF "stack: truncated" <<<"$output"
}

@test "pprof: -diff_base shows what grew" {
	pprof -sample_index=samples -top -diff_base "$OUT/known.pb.gz" "$OUT/grown.pb.gz"
	grep -qE "90 90.00% [0-9.]+% 70 70.00% draw" <<<"$output"
}

@test "speedscope: its file format, weights add up, frames exist" {
	jq -e '
		."$schema" == "https://www.speedscope.app/file-format-schema.json" and
		(.shared.frames | all(.name | type == "string")) and
		(.shared.frames | length) as $n |
		(.profiles | map(.name)) == ["on-CPU", "lock waits"] and
		all(.profiles[]; .type == "sampled" and (.samples | length) == (.weights | length) and
			(.weights | add) == .endValue and all(.samples[][]; . < $n))
	' "$OUT/known.speedscope.json"
}

@test "speedscope: speedscope itself opens it and has the shares" {
	cd "$BATS_TEST_TMPDIR"
	timeout 60 npm pack --silent speedscope@1.25.0 >/dev/null 2>&1 ||
		skip "host: speedscope is not to be had from the npm registry"
	tar xzf speedscope-*.tgz
	run node "$BATS_TEST_DIRNAME/speedscope.js" package "$OUT/known.speedscope.json"
	echo "$output"
	grep -qF "on-CPU (1/2)" <<<"$output"
	grep -A4 -F "45%" <<<"$output" | grep -q parse
	grep -B2 -F "tcp_send" <<<"$output" | grep -qF "30%"
}

@test "firefox: columns are as long as they say, references hold, weights add up" {
	jq -e '
		def table: .length as $n | to_entries |
			all(.[]; (.value | type) != "array" or (.value | length) == $n);
		.meta.preprocessedProfileVersion == 50 and (.meta.categories | length) as $categories |
		(.threads | map(.name)) == ["worker-1", "worker-2", "ui"] and
		([.threads[].samples.weight | add] | add) == 100 and
		all(.threads[];
			all(.samples, .stackTable, .frameTable, .funcTable, .resourceTable, .markers, .nativeSymbols; table) and
			(.stackTable.length as $s | all(.samples.stack[]; . < $s)) and
			(.stackTable.prefix | to_entries | all(.[]; .value == null or .value < .key)) and
			(.stackTable.frame + .frameTable.func | max) < .funcTable.length and
			(.frameTable.category | max) < $categories and
			(.funcTable.resource | max) < .resourceTable.length and
			(.resourceTable.name | length == (unique | length)) and
			(.funcTable.name + .resourceTable.name | max) < (.stringArray | length) and
			(.samples.time | . == sort and .[0] > 0 and .[-1] < 2000))
	' "$OUT/known.firefox.json"
	# The path of a sample, by hand: root first.
	[ "$(jq -r '.threads[0] as $t | def path: if . == null then [] else
			($t.stackTable.prefix[.] | path) + [$t.stringArray[$t.funcTable.name[$t.stackTable.frame[.]]]] end;
		[$t.samples.stack[] | path | join(";")] | group_by(.) | map("\(.[0]) \(length)") | .[]' "$OUT/known.firefox.json")" = \
"main;parse 10
main;parse;lex 20
main;parse;lex;peek 15" ]
}

@test "folded: what FlameGraph and inferno read: frames, one space, a count" {
	run ! grep -vE '^[^;]+(;[^;]+)+ [0-9]+$' "$OUT/known.folded"
	[ "$(awk '{ n += $NF } END { print n }' "$OUT/known.folded")" = 100 ]
}

# What a terminal or a reader of right-to-left text would obey stands nowhere as it is.
unsafe() { # FILE
	python3 - "$1" <<-'END'
		import sys
		text = open(sys.argv[1], encoding="utf-8", errors="strict").read()
		unsafe = [c for c in text if ord(c) < 32 and c not in "\n\t" or 0x7f <= ord(c) < 0xa0
		          or c in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]
		print(sys.argv[1], unsafe)
		sys.exit(not unsafe)
	END
}

@test "hostile names: every format is valid, and escapes them" {
	cd "$BATS_TEST_TMPDIR" || return
	"$TPROF_BUILD/tests/browser/mkprofile" h.tprof h.html h.svg h.folded h.txt h.pb.gz h.json h.speedscope.json \
		h.firefox.json <"$BATS_TEST_DIRNAME/hostile.spec"
	for f in h.html h.svg h.folded h.txt h.json h.speedscope.json h.firefox.json; do
		run ! unsafe $f
	done
	for f in h.json h.speedscope.json h.firefox.json; do
		jq -e . $f >/dev/null
		run ! grep -q '<' $f
	done
	python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse("h.svg")'
	[ "$(wc -l <h.folded)" = 4 ]
	# names that were right come back as they were
	[ "$(jq -r '[.threads[].comm] | map(select(startswith("</script>"))) | .[0]' h.json)" = "</script><script>pwned=1</script>" ]
	pprof -top -sample_index=samples h.pb.gz
	grep -qF "a\"b'c&d" <<<"$output"
}
