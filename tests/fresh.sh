#!/bin/sh
# Proves README's two commands on a fresh Debian 12: a clean root made with
# debootstrap that has apt, git and this checkout and nothing else. Run as root.
# Usage: tests/fresh.sh [DIRECTORY [MIRROR]]
set -eu
[ "$(id -u)" -eq 0 ] || { echo "tests/fresh.sh: run as root" >&2; exit 2; }
root=${1:-/var/tmp/moonflash-fresh}
mirror=${2:-http://deb.debian.org/debian}
here=$(cd "$(dirname "$0")/.." && pwd)

commands() {
	sed -n "/<!-- $1 command -->/,/^\`\`\`\$/p" "$here/README.md" |
		sed -n '/^```sh$/,/^```$/p' | sed '/^```/d'
}

inside() {
	chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
		${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
		sh -ec "cd /root/moonflash; $1"
}

timed() {
	start=$(date +%s)
	inside "$2"
	echo "== $1: $(($(date +%s) - start)) s"
}

rm -rf "$root"
debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" "$mirror"
[ ! -d /etc/apt/apt.conf.d ] || cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
git clone -q "$here" "$root/root/moonflash"
mount -t proc proc "$root/proc"
mount -t devpts devpts "$root/dev/pts" -o newinstance,ptmxmode=0666,mode=0620
trap 'umount "$root/dev/pts" "$root/proc"' EXIT
ln -sf pts/ptmx "$root/dev/ptmx"
timed demo "$(commands demo)"
timed test "$(commands test)"
