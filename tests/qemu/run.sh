#!/bin/sh
# The simulated CPU against QEMU's LX106 on random programs.
# usage: tests/qemu/run.sh [programs] [seed]
set -eu
programs=${1:-200} seed=${2:-$(date +%s)}
here=$(dirname "$0") src=$(dirname "$0")/../../src
for tool in qemu-system-xtensa xtensa-lx106-elf-gcc xtensa-lx106-elf-objcopy; do
	command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 0; }
done
work=$(mktemp -d)
[ -n "${KEEP:-}" ] && work=$KEEP || trap 'rm -rf "$work"' EXIT
xtensa-lx106-elf-gcc -nostdlib -Ttext=0x50000000 -o "$work/vectors.elf" "$here/vectors.S"
xtensa-lx106-elf-objcopy -O binary "$work/vectors.elf" "$work/vectors.bin"
${CC:-cc} -std=gnu11 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -I"$src" -o "$work/diff" \
	"$here/lx106_diff.c" "$here/generate.c" "$src"/sim/cpu*.c
echo "seed $seed"
"$work/diff" "$work/vectors.bin" "$work/image.bin" "$programs" "$seed"
