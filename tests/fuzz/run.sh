#!/bin/sh
# Fuzzes, or replays what fuzzing has found:
#   tests/fuzz/run.sh SECONDS [NAME...]    each target for so many seconds (clang)
#   tests/fuzz/run.sh replay [NAME...]     each target with its corpus, TAP (any cc),
#                                          and FUZZ_SECONDS of fuzzing (clang)
#   tests/fuzz/run.sh merge [NAME...]      new finds that add coverage, into the tree
# A target is fuzz_NAME.c, which says in a line "fuzz-sources:" what it is linked
# with, or readers/NAME.lua, which fuzz_reader.c runs. Its inputs are in
# tests/corpus/NAME; what is found goes to $BUILD/fuzz, never to the tree by itself.
set -eu
cd "$(dirname "$0")/../.."
what=${1:-10}
[ $# -gt 0 ] && shift
BUILD=${BUILD:-build}
out=$BUILD/fuzz
cc=${CLANG:-clang}
replays_only=
engine='-fsanitize=fuzzer,address,undefined'
if [ "$what" = replay ] && ! command -v "$cc" > /dev/null; then
	cc=${CC:-cc}
	replays_only=yes
	engine='-fsanitize=address,undefined tests/fuzz/replay.c'
fi
flags="-std=gnu11 -O1 -g -D_GNU_SOURCE -DMOONFLASH_VERSION=\"fuzz\" -Isrc
	$(pkg-config --cflags lua5.4 libdeflate libmd) $engine -fno-sanitize-recover=all"
mkdir -p "$out"
[ $# -gt 0 ] || set -- $(ls tests/fuzz/fuzz_*.c tests/fuzz/readers/*.lua |
	sed 's/.*\///; s/^fuzz_//; s/\..*//' | grep -vx reader)

# The program of a target, made once; embed.o carries the Lua files.
program_of() {
	program=fuzz_$1
	[ -e "tests/fuzz/fuzz_$1.c" ] || program=fuzz_reader
	file=tests/fuzz/$program.c
	case " $made " in *" $program "*) return ;; esac
	sources=$(sed -n 's/.*fuzz-sources: *//p' "$file")
	[ $program != fuzz_reader ] || sources="$BUILD/embed.o $sources"
	# shellcheck disable=SC2086
	"$cc" $flags -o "$out/$program" "$file" $sources
	made="$made $program"
}

run() {
	name=$1
	shift
	FUZZ_READER=$name "$out/$program" -max_len=4096 -timeout=20 -rss_limit_mb=1024 -verbosity=0 \
		-artifact_prefix="$out/$name-" "$@" > "$out/$name.log" 2>&1
}

# New inputs for so many seconds, the same ones each time. Not where the target goes
# by the clock: a busy machine would be a find.
briefly() {
	case $1 in rfc2217_*) return 0 ;; esac
	[ -n "${FUZZ_SECONDS:-}" ] && [ -z "$replays_only" ] || return 0
	mkdir -p "$out/brief-$1"
	run "$1" -max_total_time="$FUZZ_SECONDS" -seed=1 "$out/brief-$1" "tests/corpus/$1"
}

replay() {
	number=$((number + 1))
	if run "$1" -runs=0 "tests/corpus/$1" && briefly "$1"; then
		echo "ok $number - $1: $(ls "tests/corpus/$1" | wc -l) inputs"
	else
		echo "not ok $number - $1"
		sed 's/^/# /' "$out/$1.log"
		failed=1
	fi
}

fuzz() {
	echo "$1: $what s"
	mkdir -p "$out/$1"
	if ! run "$1" -max_total_time="$what" -print_final_stats=1 "$out/$1" "tests/corpus/$1"; then
		cat "$out/$1.log"
		exit 1
	fi
	sed -n 's/stat::number_of_executed_units: */  runs: /p' "$out/$1.log"
}

made= number=0 failed=0
[ "$what" != replay ] || echo "1..$#"
for name; do
	program_of "$name"
	mkdir -p "tests/corpus/$name"
	case $what in
	replay) replay "$name" ;;
	merge) run "$name" -merge=1 "tests/corpus/$name" "$out/$name" ;;
	*) fuzz "$name" ;;
	esac
done
exit $failed
