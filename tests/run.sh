#!/bin/sh
# Runs every test program as TAP through prove: C (cmocka), Lua (luaunit on the
# program's own Lua) and whole commands. Usage: tests/run.sh BUILD_DIR
set -eu
build=$1
export MOONFLASH="$PWD/$build/moonflash" MOONFLASH_BUILD="$PWD/$build"
export CMOCKA_MESSAGE_OUTPUT=tap
exec prove --timer --exec 'sh tests/one.sh' \
	$(ls "$build"/tests/test_* | grep -v '\.d$') tests/lua/*_test.lua tests/cmd/*_test.lua
