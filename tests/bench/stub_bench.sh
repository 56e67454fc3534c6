#!/bin/sh
# tests/bench/stub_bench.sh BUILD_DIR [OPTIONS [KB [BAUD [SYNC_BAUD]]]]: see stub_bench.c
set -eu
build=$1
shift
${CC:-cc} -std=gnu11 -O2 -D_GNU_SOURCE -Isrc -o "$build/stub_bench" tests/bench/stub_bench.c \
	$(find "$build/src" -name '*.o' ! -name main.o) "$build/embed.o" -Wl,-E \
	-Wl,-Bstatic -llua5.4 -l:liblua5.4-filesystem.a -lserialport -ldeflate -lmd \
	-Wl,-Bdynamic -lm -ldl -lpthread
exec "$build/stub_bench" "$@"
