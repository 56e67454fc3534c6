#!/bin/sh
# Compiles cpu_bench_chip.c for the chip and writes cpu_bench_chip.h.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
xtensa-lx106-elf-gcc -Os -Wall -Wextra -Werror -nostdlib -ffreestanding \
	-fno-tree-loop-distribute-patterns -Wl,-Ttext=0x40100000,-e,entry \
	-o "$work/chip.elf" cpu_bench_chip.c
xtensa-lx106-elf-objcopy -O binary -j .text "$work/chip.elf" "$work/chip.bin"
entry=$(xtensa-lx106-elf-nm "$work/chip.elf" | sed -n 's/ T entry$//p')
{
	echo '/* cpu_bench_chip.h - cpu_bench_chip.c compiled for 0x40100000; made by'
	echo ' * cpu_bench_chip.sh. */'
	echo "#define CPU_BENCH_ENTRY 0x${entry}u"
	echo 'static const unsigned char cpu_bench_chip[] = {'
	od -An -v -tx1 "$work/chip.bin" | sed 's/ \(..\)/0x\1,/g; s/,/, /g; s/ $//; s/^/	/'
	echo '};'
} > cpu_bench_chip.h
