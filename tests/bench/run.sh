#!/bin/sh
# Prints every number that README quotes. Usage: tests/bench/run.sh BUILD_DIR
set -eu
build=$1
cc=${CC:-cc}
export MOONFLASH="$build/moonflash"
mkdir -p "$build/bench"
$cc -O2 -Wall -o "$build/bench/startup" tests/bench/startup.c -lutil
$cc -std=gnu11 -O2 -D_GNU_SOURCE -Isrc -o "$build/bench/cpu" tests/bench/cpu_bench.c \
	tests/bench/cpu_bench_chip.c src/sim/cpu*.c src/esp_err.c
echo "== start-up"
"$build/bench/startup" "$build/moonflash"
echo "== the interpreter"
"$build/bench/cpu"
echo "== whole commands on the paced simulated chip"
"$build/moonflash" --allow=all tests/bench/flash_bench.lua
echo "== the stub, in the chip's own time, at 921600"
sh tests/bench/stub_bench.sh "$build"
if command -v xtensa-lx106-elf-gcc > /dev/null; then
	echo "== its RAM, its receive ring at each rate, where its time goes (make deps-chip)"
	sh tests/bench/stub_profile.sh "$build"
fi
echo "== sixteen boards at once"
"$build/moonflash" --allow=all tests/bench/many_bench.lua
echo "== over a network"
$cc -O2 -Wall -o "$build/bench/delay_proxy" tests/bench/delay_proxy.c
"$build/moonflash" --allow=all tests/bench/remote_bench.lua "$build/bench/delay_proxy"
