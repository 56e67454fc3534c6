#!/bin/sh
# Runs test programs and whole commands under valgrind's memcheck; an error or a
# leak fails. Usage: tests/valgrind.sh BUILD_DIR [NAME...], NAME as in build/tests or
# "commands"; default: all but those that only make the simulated CPU compute.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$1
shift
out=$build/valgrind
mkdir -p "$out"
failed=0

# They say nothing about memory that others do not, and take minutes to hours here:
# processor and ROM compared step by step, out of memory at every place.
slow='test_cpu test_cpu_events test_rom_diff test_alloc test_alloc_commands test_hostile
	test_stub_sim test_soak'
if [ $# -eq 0 ]; then
	for t in "$build"/tests/test_*; do
		case $t in *.d) continue ;; esac
		name=${t##*/}
		case " $(echo $slow) " in *" $name "*) continue ;; esac
		set -- "$@" "$name"
	done
	set -- "$@" commands
fi

memcheck() {
	valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
		--show-leak-kinds=definite --suppressions=tests/valgrind.supp --child-silent-after-fork=yes \
		--log-file="$out/$name.%p.log" "$@" > "$out/$name.out" 2>&1
}

# What memcheck found; a leak counts only where no test stopped half way.
found() {
	kinds='Invalid|Use of|Conditional|Syscall param|Mismatched|Source and dest|Jump'
	grep -q FAILED "$out/$name.out" || kinds="$kinds|.*definitely lost"
	grep -qE "^==[0-9]+== +($kinds)" "$out/$name".*.log 2> /dev/null
}

# Tests that wait for a second may find this too slow: only memory counts here.
judge() {
	if found || { [ "$1" -gt 128 ] && [ "$1" -ne 255 ]; }; then
		echo "FAILED $name ($1)"
		cat "$out/$name".*.log
		failed=1
	elif grep -q FAILED "$out/$name.out"; then
		echo "ok $name, though too slow for: $(sed -n 's/^\[  FAILED  \] //p' "$out/$name.out" |
			sort -u | grep -v listed | tr '\n' ' ')"
	else
		echo "ok $name"
	fi
}

command_line() {
	name=command
	rm -f "$out/$name".*
	memcheck "$build/moonflash" "$@"
	code=$?
	[ $code = 0 ] && echo "ok moonflash $*" && return
	echo "FAILED moonflash $*: $code"
	cat "$out/$name.out" "$out/$name".*.log
	failed=1
}

commands() {
	flash=$out/board.flash
	hello=examples/hello/hello.bin
	rm -f "$flash"
	p=sim:$flash?size=512K
	command_line -p "$p" info
	command_line -p "$p" write 0x0 $hello
	command_line -p "$p" verify 0x0 $hello
	command_line -p "$p" read 0x0 64k "$out/read.bin"
	command_line -p "$p" backup "$out/board.mfb"
	command_line backup check "$out/board.mfb"
	command_line -p "$p" erase 0x10000 64k
	command_line -p "$p" --no-stub write 0x20000 $hello
	command_line image info $hello
	command_line fs build tests/data/spiffs/input -o "$out/fs.img" --size 128k
	command_line fs ls "$out/fs.img"
	command_line lfs info tests/data/lfs/lfs51-float-reloc.img
}

for name; do
	rm -f "$out/$name".*
	if [ "$name" = commands ]; then
		commands
	else
		memcheck "$build/tests/$name"
		judge $?
	fi
done
exit $failed
