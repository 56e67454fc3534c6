#!/bin/sh
# One station: flashes the boards that are plugged in, each in a process of its own, and
# asks nothing of other stations but the ledger. Here the boards are simulated ones; a
# real station says --ports all, and leaves --once away to go on with whatever is plugged
# in next.
# Usage: MOONFLASH_LEDGER=URL station.sh NUMBER FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
ports=
for board in 1 2 3 4; do
	ports="$ports,sim:$2/station$1-board$board.flash?size=2M&mac=60:01:94:00:0$1:0$board"
done
exec "${MOONFLASH:-moonflash}" --station "bench-$1" gang "$here/flash.lua" --ports "${ports#,}" --once
