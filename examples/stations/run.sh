#!/bin/sh
# Three stations, a process each, that flash four boards each, with one ledger.
# Usage: MOONFLASH_LEDGER=postgres://flasher@db/line run.sh FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
moonflash=${MOONFLASH:-moonflash}
"$moonflash" ledger import "$here/keys.csv" --pool keys
parallel --jobs 3 --tag sh "$here/station.sh" {} "$1" ::: 1 2 3
"$moonflash" ledger --since 1h
"$moonflash" ledger pools
"$moonflash" ledger --since 1h --svg "$1/line.svg" --title "Three stations"
