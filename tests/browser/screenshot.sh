#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# tests/browser/screenshot.sh [BUILD]: docs/flamegraph.png, from a recording of the demo workload.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build}

work=$(mktemp -d)
"$build/workloads/demo" > "$work/demo.log" 2>&1 &
demo=$!
trap 'kill "$demo" 2>/dev/null || true; rm -rf "$work"' EXIT
"$build/tprof" record -q -p "$demo" -F 999 -d 6 -o "$work/demo.tprof"
"$build/tprof" flamegraph "$work/demo.tprof" -o "$work/demo.html" > "$work/name"
node tests/browser/screenshot.js "$work/demo.html" docs/flamegraph.png 1440x860
echo docs/flamegraph.png
