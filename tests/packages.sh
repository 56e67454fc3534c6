#!/bin/sh
# Makes every package twice, from two copies of the tree in different places, and
# tries each as its user would. Usage: tests/packages.sh [DIR]; DIR has the room.
# Needs what `make deps`, `make deps-doc` and lua5.4 install.
set -eu
dir=${1:-$(mktemp -d)}
src=$(pwd)
rm -rf "$dir/one" "$dir/two-elsewhere"

say() { printf '== %s\n' "$*"; }

for copy in one two-elsewhere; do
	say "building in $copy"
	git clone -q "$src" "$dir/$copy"
	src=$dir/one
	make -s -C "$dir/$copy" -j2 > /dev/null
	make -s -C "$dir/$copy" deb dist rockspec > /dev/null 2>&1
done

say "the same bytes twice"
for file in moonflash_*.deb moonflash-*.tar.gz moonflash-*.rockspec; do
	file=$(cd "$dir/one/build" && ls $file)
	cmp "$dir/one/build/$file" "$dir/two-elsewhere/build/$file"
	(cd "$dir/one/build" && sha256sum "$file")
done

say "what lintian says of the package (a made-up mail host is ours)"
lintian "$dir"/one/build/*.deb 2> /dev/null | grep -v bogus-mail-host || true

say "the tarball, where it is unpacked"
tar -C "$dir" -xzf "$dir"/one/build/moonflash-*.tar.gz
program=$(ls -d "$dir"/moonflash-*/bin)/moonflash
"$program" --version
"$program" -p "sim:$dir/board.flash?size=1M" write 0x0 examples/hello/hello.bin
ldd "$program" | sed 's/ (0x.*//'

say "esp.so in a Lua of the system"
make -s -C "$dir/one" -j2 install-lua DESTDIR="$dir/lua" PREFIX=/usr > /dev/null
cat > "$dir/try.lua" <<'END'
local esp = require "esp"
local port = esp.sim { size = "1M" }:port()
local rom = esp.rom(port)
assert(rom:connect { reset = "nodemcu" })
assert(rom:read_regs { 0x3ff00050 })
assert(require "moonflash".recipe)
print("esp " .. esp.version .. " in " .. _VERSION)
END
LUA_CPATH="$dir/lua/usr/lib/lua/5.4/?.so;;" \
LUA_PATH="$dir/lua/usr/share/lua/5.4/?.lua;$dir/lua/usr/share/lua/5.4/?/init.lua;;" \
	lua5.4 "$dir/try.lua"
say "done"
