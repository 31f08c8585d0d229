#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# limit: 600
#
# The interactive page in headless Chromium. Recordings are written by hand: known.spec, hostile.spec.

steady() { # LINE: ten seconds of the same, and of this
	local s
	for s in 0 1 2 3 4 5 6 7 8 9; do
		printf '@window %d %d\nworker-1-1;main;send %d\n%s\n' $((s * 1000)) $((s * 1000 + 1000)) $((29 + s % 3)) "$1"
	done
}

setup_file() {
	command -v chromium >/dev/null || skip "host: no chromium"
	export PAGES=$BATS_FILE_TMPDIR HERE=$BATS_TEST_DIRNAME
	local mkprofile=$TPROF_BUILD/tests/browser/mkprofile
	"$mkprofile" "$PAGES/known.html" < "$HERE/known.spec"
	"$mkprofile" "$PAGES/hostile.html" "$PAGES/hostile.svg" "$PAGES/hostile.tprof" < "$HERE/hostile.spec"
	"$mkprofile" "$PAGES/empty.html" "$PAGES/empty.tprof" < /dev/null
	"$TPROF" diff "$PAGES/empty.tprof" "$PAGES/hostile.tprof" -o "$PAGES/hostile_diff.html" > "$PAGES/hostile_diff.txt"
	"$TPROF" diff "$PAGES/empty.tprof" "$PAGES/empty.tprof" -o "$PAGES/empty_diff.html" > "$PAGES/empty_diff.txt" 2>&1
	steady 'ui-3;main;draw_[j];walk 20' | "$mkprofile" "$PAGES/a.tprof"
	steady 'ui-3;main;draw_[j] 90' | "$mkprofile" "$PAGES/b.tprof"
	"$TPROF" diff "$PAGES/a.tprof" "$PAGES/b.tprof" --json -o "$PAGES/diff.html" > "$PAGES/diff.json"
	node "$HERE/many.js" | "$mkprofile" "$PAGES/many.tprof" "$PAGES/many.html" "$PAGES/many.folded"
	node "$HERE/check.js" "$PAGES" >&2
}

check() { # NAME: what check.js found
	cat "$PAGES/$1.result"
	[ "$(cat "$PAGES/$1.result")" = ok ]
}

@test "opens without errors or requests, says how complete it is" { check opens; }
@test "a tooltip tells samples, percent and module" { check tooltip; }
@test "zoom, breadcrumb, back, reset" { check zoom; }
@test "search by text and by regular expression tells the matched share" { check search; }
@test "a stack that matches twice counts once" { check search_once; }
@test "what matches is highlighted" { check highlight; }
@test "kinds are switched; one that was not recorded says so" { check kinds; }
@test "flame grows up, icicle grows down" { check layouts; }
@test "threads by pool, by name, each, merged" { check threads; }
@test "hide kernel, fold recursion, group by module" { check simplify; }
@test "sandwich shows callers and callees" { check sandwich; }
@test "the list of functions sorts and highlights" { check table; }
@test "a time range and a thread are chosen on the timeline" { check timeline; }
@test "everything works from the keyboard" { check keyboard; }
@test "a stack is copied" { check copy; }
@test "the address leads back to a zoom; a wrong one does no harm" { check deep_link; }
@test "a finding leads to its frame" { check finding; }
@test "colours tell user, kernel, JIT; dark has its own" { check colours; }
@test "it prints" { check print; }
@test "hostile names are inert and shown escaped" { check hostile; }
@test "hostile names are inert in SVG" { check svg; }
@test "hostile names are inert in a comparison" { check hostile_diff; }
@test "an empty recording says that it is" { check empty; }
@test "a comparison of nothing with nothing says so" {
	check empty_diff
	grep -q "no function changed" "$PAGES/empty_diff.txt"
}
@test "100,000 frames" { check large; }

@test "100,000 frames: every control, against the folded text (a real recording: live/page.bats)" {
	run node "$HERE/tour.js" "$PAGES/many.tprof" "$PAGES/many.html"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep -c '^ok' <<<"$output")" -ge 16 ]
}

@test "a comparison: red grown, blue gone, A and B alone" { check diff; }
@test "a comparison says of every function what the table says" { check diff_verdicts; }
@test "a comparison of a time and of a thread" { check diff_range; }

@test "a page is at most three times the folded text" {
	html=$(stat -c %s "$PAGES/many.html") folded=$(stat -c %s "$PAGES/many.folded")
	echo "html $html folded $folded"
	[ "$html" -le $((3 * folded)) ]
}
