#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# What `make` rebuilds and what not, and what it installs.

load setup.bash

setup() {
	cd "$BATS_TEST_DIRNAME/../.."
	BUILD=${TPROF_BUILD:-$PWD/build}
	BUILD=${BUILD#"$PWD/"}
}

# The files that make would compile anew if FILE were newer. (-W only pretends; nothing is touched.)
rebuilt_by() { # FILE
	make_anew -n V=1 BUILD="$BUILD" -W "$1" all
}

# In a build of its own: what is asked is what a make leaves to the next one, not how the clock went
# between a checkout and the build that the other tests use.
@test "nothing changed: nothing to do" {
	local b=$BATS_TEST_TMPDIR/b
	make_anew -s BUILD="$b" all
	run make_anew -q BUILD="$b" all
	[ "$status" -eq 0 ] || {
		echo "make -q ended with $status: $output"
		make_anew -n --debug=b BUILD="$b" all | head -40
		false
	}
}

# GNU Make 4.3 may leave the last newline in what it reads of a file, by how long the lines before it were.
@test "what was built with is told from what it was, whatever the name of the build directory" {
	local b n stamps
	for n in $(seq 10 10 120) xx; do
		b=$BATS_TEST_TMPDIR/$(printf "%${n/xx/1}d" 0 | tr ' ' 0)/${n/#[0-9]*/b}
		make_anew -n BUILD="$b" all >/dev/null
		stamps=$(stat -c '%n %y' "$b"/.*-flags "$b"/.*-list)
		[ "$(wc -l <<<"$stamps")" -eq 5 ]
		make_anew -n BUILD="$b" all >/dev/null
		diff <(echo "$stamps") <(stat -c '%n %y' "$b"/.*-flags "$b"/.*-list)
	done
}

@test "wire.h rebuilds the BPF objects, the skeleton and its users" {
	run rebuilt_by bpf/wire.h
	[[ "$output" == *"bpf/cpu.bpf.c -o"* ]]
	[[ "$output" == *"gen skeleton"* ]]
	[[ "$output" == *"user/collect/"*".c -o"* ]]
	[[ "$output" != *"user/store/"*".c -o"* ]]
}

@test "a header of a lower floor rebuilds who includes it" {
	run rebuilt_by user/store/store.h
	[[ "$output" == *"user/store/"*".c -o"* ]]
	[[ "$output" != *"-target bpf"* ]]
}

@test "other flags, another compiler and a new list of files rebuild what they concern" {
	mkdir -p "$BATS_TEST_TMPDIR/b"
	run make_anew -n V=1 BUILD="$BATS_TEST_TMPDIR/b" all
	local before after
	before=$(cat "$BATS_TEST_TMPDIR/b/.user-flags")
	run make_anew -n V=1 BUILD="$BATS_TEST_TMPDIR/b" SAN=address all
	after=$(cat "$BATS_TEST_TMPDIR/b/.user-flags")
	[ "$before" != "$after" ]
	run make_anew -n V=1 BUILD="$BATS_TEST_TMPDIR/b" CC=clang all
	[ "$after" != "$(cat "$BATS_TEST_TMPDIR/b/.user-flags")" ]
	# … and everything in user/ depends on it, nothing of BPF does.
	run rebuilt_by "$BUILD/.user-flags"
	[[ "$output" == *"-c user/base/"* ]]
	[[ "$output" != *"-target bpf"* ]]
}

@test "all of bpf/ compiles for arm64" {
	run make_anew BUILD="$BATS_TEST_TMPDIR/arm64" ARCH=arm64 bpf
	echo "$output"
	[ "$status" -eq 0 ]
	[ -s "$BATS_TEST_TMPDIR/arm64/tprof.bpf.o" ]
}

@test "gcc's analyzer has nothing to say" {
	[ "$(gcc -dumpversion)" = 12 ] || skip "host: what gcc $(gcc -dumpversion) says is not known; gcc 12 says nothing"
	run make_anew BUILD="$BUILD" lint-analyzer
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "make install puts the program below DESTDIR and PREFIX" {
	run make_anew BUILD="$BUILD" install DESTDIR="$BATS_TEST_TMPDIR" PREFIX=/usr
	echo "$output"
	[ "$status" -eq 0 ]
	run "$BATS_TEST_TMPDIR/usr/bin/tprof" --version
	[ "$status" -eq 0 ]
	find "$BATS_TEST_TMPDIR" -type f -name 'tprof*.1*' | grep -q .
	[ -s "$BATS_TEST_TMPDIR/usr/share/doc/tprof/docs/formats.md" ]
	run make_anew BUILD="$BUILD" uninstall DESTDIR="$BATS_TEST_TMPDIR" PREFIX=/usr
	[ -z "$(find "$BATS_TEST_TMPDIR" -type f)" ]
}

# What `make dist` packs, with what is not committed yet, unpacked in DIR; a copy where there is no git.
sources_to() { # DIR
	mkdir -p "$1"
	if ! git rev-parse --git-dir >/dev/null 2>&1; then
		cp -r .ci CHANGELOG.md LICENSE Makefile README.md bpf docs user vmlinux "$1/"
		return
	fi
	# An index and objects of our own: the repository stays as it is.
	local tmp=$BATS_TEST_TMPDIR/git
	mkdir -p "$tmp/objects"
	cp "$(git rev-parse --git-path index)" "$tmp/index"
	(
		GIT_ALTERNATE_OBJECT_DIRECTORIES=$(realpath "$(git rev-parse --git-path objects)")
		export GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_INDEX_FILE=$tmp/index GIT_OBJECT_DIRECTORY=$tmp/objects
		git add -A
		make_anew -s BUILD="$tmp" DIST="$(git write-tree)" dist
	)
	tar -C "$1" --strip-components=1 -xzf "$tmp"/tprof-*.tar.gz
	[ ! -e "$1/.git" ]
}

@test "what make dist packs, built in two places: the same program and the same package" {
	local place
	for place in one another/place; do
		sources_to "$BATS_TEST_TMPDIR/$place"
	done
	cd "$BATS_TEST_TMPDIR"
	export SOURCE_DATE_EPOCH=1780000000
	run make_anew -C one BUILD=b deb sbom
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	umask 077
	TZ=Asia/Kathmandu LC_ALL=C run make_anew -C another/place BUILD=b deb sbom
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	cmp one/b/tprof another/place/b/tprof
	cmp one/b/tprof_*.deb another/place/b/tprof_*.deb
	cmp one/b/tprof.spdx.json another/place/b/tprof.spdx.json
}
