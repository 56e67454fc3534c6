#!/bin/sh
# How full the stub's receive ring gets at each rate, and a profile of the stub while
# it writes. Usage: tests/bench/stub_profile.sh BUILD_DIR [BAUD of the profile]
# Needs the cross compiler for the names.
set -eu
build=$1
elf=/tmp/moonflash-stub.$(id -u)/stub.elf
make -s -C src/stub "$elf"
${CC:-cc} -std=gnu11 -O2 -D_GNU_SOURCE -Isrc -o "$build/stub_profile" tests/bench/stub_profile.c \
	$(find "$build/src" -name '*.o' ! -name main.o) "$build/embed.o" -Wl,-E \
	-Wl,-Bstatic -llua5.4 -l:liblua5.4-filesystem.a -lserialport -ldeflate -lmd \
	-Wl,-Bdynamic -lm -ldl -lpthread
ring=$(xtensa-lx106-elf-nm "$elf" | sed -n 's/ b hw$//p')
xtensa-lx106-elf-size -A "$elf" | awk '$2 > 0 && $3 > 0 { printf "%-10s %6d bytes at 0x%08x\n", $1, $2, $3 }'
for baud in 115200 460800 921600 2000000; do
	"$build/stub_profile" $baud "$ring" > /dev/null
done
{
	xtensa-lx106-elf-nm -n "$elf" | sed -n 's/ [tT] / name /p'
	echo "40000000 name ROM"
	"$build/stub_profile" "${2:-921600}" "$ring" 2> /dev/null
} | sort | awk '
	$2 == "name" { name = $3; next }
	{ n[name] += $2; all += $2 }
	END { for (f in n) printf "%6.2f %%  %s\n", 100 * n[f] / all, f }' | sort -rn | head -12
