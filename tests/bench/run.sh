#!/bin/sh
# Prints every number that README quotes. Usage: tests/bench/run.sh BUILD_DIR
set -eu
build=$1
mkdir -p "$build/bench"
cc=${CC:-cc}
$cc -O2 -Wall -o "$build/bench/startup" tests/bench/startup.c -lutil
echo "== start-up"
"$build/bench/startup" "$build/moonflash"
