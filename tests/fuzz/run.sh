#!/bin/sh
# Runs every fuzz target for so many seconds each: tests/fuzz/run.sh [SECONDS [NAME...]]
# Each fuzz_NAME.c says in a line "fuzz-sources:" what it is linked with; its
# seeds are in tests/corpus/NAME. New finds go to $BUILD/fuzz, never to the tree.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-10}
[ $# -gt 0 ] && shift
out=${BUILD:-build}/fuzz
flags='-std=gnu11 -O1 -g -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all'
[ $# -gt 0 ] || set -- $(ls tests/fuzz/fuzz_*.c | sed 's/.*fuzz_\(.*\)\.c/\1/')
for name; do
	file=tests/fuzz/fuzz_$name.c
	sources=$(sed -n 's/.*fuzz-sources: *//p' "$file")
	mkdir -p "$out/$name" "tests/corpus/$name"
	${CLANG:-clang} $flags -o "$out/fuzz_$name" "$file" $sources
	echo "fuzz_$name: $seconds s"
	if ! "$out/fuzz_$name" -max_total_time="$seconds" -max_len=4096 -timeout=5 \
		-rss_limit_mb=512 -verbosity=0 -print_final_stats=1 \
		-artifact_prefix="$out/$name-" "$out/$name" "tests/corpus/$name" \
		> "$out/$name.log" 2>&1; then
		cat "$out/$name.log"
		exit 1
	fi
	sed -n 's/stat::number_of_executed_units: */  runs: /p' "$out/$name.log"
done
