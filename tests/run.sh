#!/bin/sh
# Runs every test program as TAP through prove: C (cmocka), Lua (luaunit on the
# program's own Lua) and whole commands. Usage: tests/run.sh BUILD_DIR [FILE...]
set -eu
MOONFLASH_BUILD=$(cd "$1" && pwd)
MOONFLASH=$MOONFLASH_BUILD/moonflash
CMOCKA_MESSAGE_OUTPUT=tap
export MOONFLASH MOONFLASH_BUILD CMOCKA_MESSAGE_OUTPUT
shift
[ $# -gt 0 ] || set -- $(ls "$MOONFLASH_BUILD"/tests/test_* | grep -v '\.') \
	tests/lua/*_test.lua tests/cmd/*_test.lua
exec prove --timer --jobs "$(nproc)" --exec 'sh tests/one.sh' "$@"
