#!/bin/sh
# Installs the Debian package, and unpacks the tarball, in a clean root made with
# debootstrap, and tries both there. Run as root, after `make deb dist`.
# Usage: tests/fresh_packages.sh BUILD [DIRECTORY [SUITE [MIRROR]]]
set -eu
[ "$(id -u)" -eq 0 ] || { echo "tests/fresh_packages.sh: run as root" >&2; exit 2; }
build=$1
root=${2:-/var/tmp/moonflash-packages}
suite=${3:-bookworm}
mirror=${4:-http://deb.debian.org/debian}

inside() {
	chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
		${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
		sh -ec "cd /root; $1"
}

# Explains an image, flashes it onto a simulated chip, and boots it.
try='image info $examples/hello/hello.bin
$program -p "sim:board.flash?size=1M" write 0x0 $examples/hello/hello.bin --listen 1'

rm -rf "$root"
debootstrap --variant=minbase "$suite" "$root" "$mirror" > /dev/null
[ ! -d /etc/apt/apt.conf.d ] || cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
cp "$build"/moonflash_*.deb "$build"/moonflash-*.tar.gz "$root/root"
echo "== $suite: the tarball"
inside "tar -xzf moonflash-*.tar.gz; program=\$(ls -d /root/moonflash-*/bin)/moonflash
examples=\$(ls -d /root/moonflash-*/examples); \$program $try"
echo "== $suite: the package"
inside "rm -f board.flash; dpkg -i moonflash_*.deb; program=moonflash
examples=/usr/share/doc/moonflash/examples
[ -d \$examples ] || { tar -xzf moonflash-*.tar.gz; examples=\$(ls -d /root/moonflash-*/examples); }
moonflash $try
ls /usr/share/man/man1/moonflash.1.gz /usr/share/bash-completion/completions/moonflash || true
dpkg -r moonflash; [ ! -e /usr/bin/moonflash ]"
echo "== $suite: done"
