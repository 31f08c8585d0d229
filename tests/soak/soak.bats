# SPDX-License-Identifier: BSD-2-Clause
# limit: 660
# Five minutes of what `make soak` does for an hour. It runs beside kernels and setup (tests/run): the
# server gets the time that they leave, tprof its own as always.

@test "a busy server of 200 threads at 99 Hz: memory is steady, nothing is lost" {
	"$TPROF" check >/dev/null 2>&1 || skip "tprof check says no: see its output"
	"$BATS_TEST_DIRNAME/soak" "$TPROF_BUILD" "${SOAK_SECONDS:-300}" chrt -i 0
}
