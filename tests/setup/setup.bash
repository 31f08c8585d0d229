# SPDX-License-Identifier: BSD-2-Clause
#
# Loaded by the .bats files of this directory that build, or need a bare Debian.

# make as from a shell: nothing of the make that runs the tests.
make_anew() {
	env -u MAKEFLAGS -u MAKELEVEL make "$@"
}

# $BARE: a bare Debian of this file's own.
make_bare() {
	[ "$(id -u)" = 0 ] || skip "needs root: chroot"
	command -v debootstrap >/dev/null || skip "no debootstrap (make deps)"
	export BARE=$BATS_FILE_TMPDIR/root
	if ! "$BATS_TEST_DIRNAME/bare_root" "$BARE" >"$BATS_FILE_TMPDIR/log" 2>&1; then
		cat "$BATS_FILE_TMPDIR/log" >&2
		skip "host: no Debian mirror: $(tail -1 "$BATS_FILE_TMPDIR/log")"
	fi
}

# Runs in $BARE, in mount and PID namespaces of its own: whatever happens, nothing stays behind.
inside() { # DIR COMMAND…
	local debs=${TPROF_CACHE:-/var/cache/tprof-tests}/debs
	mkdir -p "$debs"
	unshare --mount --pid --fork --kill-child --propagation private sh -ec '
		root=$1 debs=$2
		shift 2
		mount --bind "$root" "$root" # a mount of its own, so that tests can unshare in it
		mount -t proc proc "$root/proc"
		mount --rbind /sys "$root/sys"
		mount --rbind /dev "$root/dev"
		mount --bind "$debs" "$root/var/cache/apt/archives"
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
			DEBIAN_FRONTEND=noninteractive sh -c "cd \"\$1\" && shift && exec \"\$@\"" sh "$@"
	' sh "$BARE" "$debs" "$@" 3>&- </dev/null
}
