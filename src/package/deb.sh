#!/bin/sh
# Makes a Debian package of what `make install` installs.
# Usage: deb.sh STAGE VERSION OUT.deb, with everything installed under STAGE/usr.
# The same tree gives the same bytes: times come from SOURCE_DATE_EPOCH.
set -eu
stage=$1 version=$2 out=$3
here=$(dirname "$0")
doc=$stage/usr/share/doc/moonflash
day=$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
maintainer=${MAINTAINER:-moonflash authors <moonflash@localhost.localdomain>}

strip --strip-unneeded --remove-section=.comment --remove-section=.note "$stage/usr/bin/moonflash"
find "$stage/usr/share/man" -type f ! -name '*.gz' -exec gzip -9n {} +

install -d "$doc"
cp README.md "$doc"
cp -r examples "$doc"
find "$doc/examples" \( -name '*.flash' -o -name build -o -name .gitignore \) -prune -exec rm -r {} +
{
	printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n'
	printf 'Upstream-Name: moonflash\n\nFiles: *\nCopyright: 2026 moonflash authors\n'
	printf 'License: Expat\n'
	sed -n '5,$p' LICENSE | sed 's/^$/./; s/^/ /'
} > "$doc/copyright"
printf 'moonflash (%s) stable; urgency=medium\n\n  * Version %s.\n\n -- %s  %s\n' \
	"$version" "$version" "$maintainer" "$day" | gzip -9nc > "$doc/changelog.gz"

install -d "$stage/DEBIAN" "$stage/debian"
printf 'Source: moonflash\n\nPackage: moonflash\nArchitecture: any\n' > "$stage/debian/control"
depends=$(cd "$stage" && dpkg-shlibdeps -O -eusr/bin/moonflash 2>/dev/null |
	sed -n 's/^shlibs:Depends=//p')
rm -r "$stage/debian"
cat > "$stage/DEBIAN/control" <<END
Package: moonflash
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: $maintainer
Installed-Size: $(du -k -s --apparent-size "$stage/usr" | cut -f1)
Depends: $depends
Suggests: libgensio4, lua-sql-sqlite3, lua-sql-postgres
Section: electronics
Priority: optional
Description: flasher for NodeMCU on ESP8266 and ESP8285
 One program with Lua 5.4 inside that flashes, upgrades, saves, restores and
 repairs boards with an ESP8266 or ESP8285. Workflows are Lua scripts; projects
 keep recipes of their own, which run and are tested on a simulated chip too.
END
(cd "$stage" && find usr -type f | LC_ALL=C sort | xargs md5sum) > "$stage/DEBIAN/md5sums"
find "$stage" -type d -exec chmod 755 {} +
find "$stage" -type f ! -path '*/bin/*' -exec chmod 644 {} +
find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group --build "$stage" "$out" > /dev/null
