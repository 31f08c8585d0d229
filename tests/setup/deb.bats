#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# limit: 600
#
# `make deb`: what Debian says to the package, and what the package does in a bare Debian.
# (The same bytes twice: build.bats.)

load setup.bash

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.."
	# A tree of its own, so that no other test finds files of it.
	cp -a "${TPROF_BUILD:-build}" "$BATS_FILE_TMPDIR/b"
	make_anew BUILD="$BATS_FILE_TMPDIR/b" deb sbom >"$BATS_FILE_TMPDIR/deb.log" 2>&1 || {
		cat "$BATS_FILE_TMPDIR/deb.log" >&2
		return 1
	}
	DEB=$(echo "$BATS_FILE_TMPDIR"/b/tprof_*.deb)
	export DEB
}

@test "lintian has nothing to say" {
	run lintian --allow-root --info --display-info --fail-on error,warning,info "$DEB"
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "it depends on the packages of the libraries that the linker took, and on no other" {
	run dpkg-deb -f "$DEB" Depends
	echo "$output"
	diff <(tr ',' '\n' <<<"$output" | sed 's/^ *//; s/ .*//' | sort) \
		<(jq -r '.packages as $p | .relationships[] | select(.relationshipType == "DYNAMIC_LINK")
			| .relatedSpdxElement as $id | $p[] | select(.SPDXID == $id).name' \
			"$BATS_FILE_TMPDIR/b/tprof.spdx.json" | sort)
	[[ "$output" == *"libc6 (>= "* ]]
}

@test "program, manual pages, completions, licence and history are in it" {
	run dpkg-deb -c "$DEB"
	echo "$output"
	local command
	for command in '' $("$TPROF" help | sed -n 's/^  \([a-z][a-z]*\)  .*/-\1/p'); do
		grep -q "root/root .* ./usr/share/man/man1/tprof$command.1.gz$" <<<"$output"
	done
	for file in bin/tprof share/bash-completion/completions/tprof share/zsh/vendor-completions/_tprof \
		share/doc/tprof/copyright share/doc/tprof/changelog.gz share/doc/tprof/docs/format.md; do
		grep -q "root/root .* ./usr/$file$" <<<"$output"
	done
	[ "$(dpkg-deb -f "$DEB" Version)" = "$("$TPROF" --version | sed 's/.* //')" ]
	dpkg-deb --fsys-tarfile "$DEB" | tar -xOf - ./usr/share/doc/tprof/changelog.gz | gunzip |
		dpkg-parsechangelog -l - -S Version
}

everything_in() { # ROOT: all files but what apt, dpkg and the loader keep for themselves
	find "$1" -xdev -printf '%P\n' | sort | grep -vxE \
		'(var/(log|lib/apt|cache/apt|cache/debconf)|var/lib/dpkg/(triggers|info/format|updates))(/.*)?|var/lib/dpkg/.*-old|var/cache/ldconfig(/.*)?|etc/ld.so.cache'
}

@test "a bare Debian: installs, records and reports, is removed and leaves nothing" {
	make_bare
	cp "$DEB" "$BARE/root/tprof.deb"
	run inside /root apt-get -qq update
	[ "$status" -eq 0 ] || skip "host: no Debian mirror: ${lines[-1]}"
	everything_in "$BARE" >"$BATS_TEST_TMPDIR/before"

	run inside /root apt-get -qq install -y --no-install-recommends ./tprof.deb
	echo "$output"
	[ "$status" -eq 0 ]
	inside /root tprof help | grep -q '^  record  '
	if "$TPROF" check >/dev/null 2>&1; then
		inside /root tprof record -q -o r.tprof -- sh -c 'i=0; while [ $i -lt 500000 ]; do i=$((i + 1)); done'
	else # a host without BPF: reading one is what remains
		echo 'main;work 99' | "$TPROF_BUILD/tests/browser/mkprofile" "$BARE/root/r.tprof"
	fi
	run inside /root tprof report r.tprof --json
	rm "$BARE/root/r.tprof"
	[ "$status" -eq 0 ]
	jq -e '.cpu.samples > 10 and (.functions | length > 0)' <<<"$output"

	run inside /root apt-get -qq purge -y --autoremove tprof
	echo "$output"
	[ "$status" -eq 0 ]
	everything_in "$BARE" | diff "$BATS_TEST_TMPDIR/before" -
}
