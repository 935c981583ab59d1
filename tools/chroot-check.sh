#!/bin/sh
# What a new machine does: chroot-check.sh [SUITE...] (default: bookworm trixie, that is Debian 12 and 13), as root.
# Makes each by debootstrap under DIR (default /tmp/cowslip-chroot), puts the committed tree into it, and runs
# `./cowslip check` and one `./cowslip run` there, which set themselves up. MIRROR= and APT_CONF= (a file to add to
# /etc/apt/apt.conf.d, for a proxy) if needed. A chroot that is there already is used again: remove it for a fresh one.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
dir=${DIR:-/tmp/cowslip-chroot}
[ $# -gt 0 ] || set -- bookworm trixie
[ "$(id -u)" = 0 ] || { echo "chroot-check: needs root" >&2; exit 125; }
command -v debootstrap >/dev/null || { echo "chroot-check: apt-get install debootstrap" >&2; exit 125; }

failed=0
for suite; do
	root=$dir/$suite
	mkdir -p "$root"
	if [ ! -e "$root/.made" ]; then
		debootstrap --variant=minbase "$suite" "$root" ${MIRROR:-} >"$dir/$suite.log" 2>&1 ||
			{ echo "$suite: debootstrap failed: $dir/$suite.log"; failed=1; continue; }
		: >"$root/.made"
	fi
	[ -z "${APT_CONF:-}" ] || cp "$APT_CONF" "$root/etc/apt/apt.conf.d/99cowslip"
	cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || :
	rm -rf "$root/cowslip"; mkdir "$root/cowslip"
	git -C "$here" archive HEAD | tar xf - -C "$root/cowslip"
	mounted=
	mount -t proc proc "$root/proc" 2>/dev/null && mounted="$root/proc"
	mount -t devpts -o ptmxmode=666 devpts "$root/dev/pts" 2>/dev/null && mounted="$mounted $root/dev/pts"	# as every machine has it
	for command in "./cowslip check" "./cowslip run -- /bin/busybox true" "./cowslip run --iso -- /bin/busybox true"; do
		if chroot "$root" sh -c "cd /cowslip && $command" </dev/null >"$dir/$suite.out" 2>&1; then
			echo "$suite: $command: ok $(tail -n 1 "$dir/$suite.out")"
		else
			echo "$suite: $command: FAILED with $?"
			tail -n 15 "$dir/$suite.out"
			failed=1
		fi
	done
	[ -z "$mounted" ] || umount $mounted
done
exit $failed
