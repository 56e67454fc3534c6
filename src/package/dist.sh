#!/bin/sh
# Makes a tarball that runs where it is unpacked: the program, its man pages,
# completions, README and the examples.
# Usage: dist.sh STAGE NAME OUT.tar.gz, with everything installed under STAGE.
set -eu
stage=$1 name=$2 out=$3
top=$(dirname "$stage")/$name

rm -rf "$top"
mv "$stage" "$top"
strip --strip-unneeded "$top/bin/moonflash"
cp README.md LICENSE "$top"
cp -r examples "$top"
find "$top/examples" \( -name '*.flash' -o -name build \) -prune -exec rm -r {} +
tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r,go-w \
	--mtime="@$SOURCE_DATE_EPOCH" -C "$(dirname "$top")" -cf - "$name" | gzip -9n > "$out"
