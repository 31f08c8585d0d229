#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# What the program is made of: `make sbom`, STATIC_LIBBPF=1.

load setup.bash

setup() {
	cd "$BATS_TEST_DIRNAME/../.."
	B=$BATS_TEST_TMPDIR/b
	cp -a "${TPROF_BUILD:-build}" "$B"
}

sbom() { # VARIABLE=VALUE…: $json is it
	json=$B/tprof.spdx.json
	run make_anew BUILD="$B" "$@" sbom
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
}

# SPDX 2.3, what it demands of a document (clauses 6 to 8, 11), and that it holds together.
valid_spdx() { # FILE
	jq -e '
		def text: type == "string" and length > 0;
		def expression: test("^[A-Za-z0-9.+()-]+( (AND|OR|WITH) [A-Za-z0-9.+()-]+)*$");
		([.packages[].SPDXID] + ["SPDXRef-DOCUMENT"]) as $ids
		| .spdxVersion == "SPDX-2.3" and .dataLicense == "CC0-1.0" and .SPDXID == "SPDXRef-DOCUMENT"
		and (.name | text) and (.documentNamespace | test("^https?://[^#]+$"))
		and (.creationInfo.created | fromdate > 0)
		and (.creationInfo.creators | length > 0 and all(test("^(Tool|Person|Organization): .+")))
		and ($ids | length == (unique | length) and all(test("^SPDXRef-[A-Za-z0-9.-]+$")))
		and (.packages | all(
			(.name | text) and (.downloadLocation | text) and .filesAnalyzed == false
			and (.licenseDeclared | expression) and (.licenseConcluded | expression) and (.copyrightText | text)
			and ((.externalRefs // []) | all(.referenceCategory == "PACKAGE-MANAGER" and .referenceType == "purl"
				and (.referenceLocator | test("^pkg:deb/[a-z]+/[a-z0-9.%B-]+@[A-Za-z0-9.%~-]+\\?arch=[a-z0-9]+$"))))))
		and (.relationships | all(
			(.relationshipType | IN("DESCRIBES", "DYNAMIC_LINK", "STATIC_LINK", "DEPENDS_ON"))
			and (.spdxElementId | IN($ids[])) and (.relatedSpdxElement | IN($ids[]))))
		and ([.packages[].SPDXID] - [.relationships[].relatedSpdxElement] == [])' "$1"
}

linked() { # KIND FILE: names of packages
	jq -r --arg kind "$1" '(.packages | map({(.SPDXID): .name}) | add) as $name
		| .relationships[] | select(.relationshipType == $kind) | $name[.relatedSpdxElement]' "$2"
}

@test "the SBOM is SPDX 2.3 and names every library, with dpkg's version" {
	sbom
	valid_spdx "$json"
	# As many as the loader loads; one package may bring two libraries.
	local file package
	ldd "$B/tprof" | awk '$3 ~ "^/" { print $3 }' | while read -r file; do
		file=$(realpath "$file")
		package=$(dpkg -S "$file" 2>/dev/null || dpkg -S "${file#/usr}")
		package=${package%%:*}
		echo "$file $package"
		jq -e --arg name "$package" --arg version "$(dpkg-query -W -f '${Version}' "$package")" \
			'[.packages[] | select(.name == $name and .versionInfo == $version)] | length == 1' "$json"
	done
	linked DYNAMIC_LINK "$json" | grep '^libbpf'
	linked STATIC_LINK "$json" | grep -x libiberty-dev # what has no other form
	[ "$(jq -r '.packages[0].checksums[0].checksumValue' "$json")" = "$(sha256sum <"$B/tprof" | cut -c1-64)" ]
}

@test "STATIC_LIBBPF=1: libbpf is within the program, which records, and the SBOM says so" {
	sbom STATIC_LIBBPF=1
	run readelf -dW "$B/tprof"
	[[ "$output" == *"[libelf"* && "$output" != *"[libbpf"* ]]
	valid_spdx "$json"
	linked STATIC_LINK "$json" | grep -x libbpf-dev
	[ -z "$(jq -r '.packages[].name' "$json" | grep -x 'libbpf[0-9]*')" ]

	"$TPROF" check >/dev/null 2>&1 || skip "host: tprof check does not pass"
	"$B/tprof" record -q -o "$BATS_TEST_TMPDIR/r.tprof" -- \
		sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done'
	"$B/tprof" report "$BATS_TEST_TMPDIR/r.tprof" --json | jq -e '.cpu.samples > 10'
}
