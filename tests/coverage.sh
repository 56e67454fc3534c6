#!/bin/sh
# Which lines and branches of src/ the tests went through: a table per file, and
# pages with every line in BUILD/coverage.html. Usage: tests/coverage.sh BUILD_DIR,
# which was built with gcc --coverage and has run the tests (`make coverage`).
#
# The simulated chip is not counted, nor is what only runs on the real one. A
# branch is what gcov calls one: each way out of each comparison, && and || count
# apart. Processes that are killed or may not open files any more leave no counts,
# so files that only such processes run (the confined recipe's) are listed and
# not counted.
set -eu
cd "$(dirname "$0")/.."
build=$1

gcovr --root . --filter src/ --exclude src/sim/ --exclude 'src/stub/(hw_lx106|main|first)\.c' \
	--html-details "$build/coverage.html" --csv "$build/coverage.csv" "$build" 2> "$build/coverage.log" ||
	{ cat "$build/coverage.log"; exit 1; }

awk -F, '
function share(covered, total) { return total ? sprintf("%5.1f %%", 100 * covered / total) : "      -" }
function row(name, a, b, c, d) {
	printf "%-32s %5d / %-5d %s  %5d / %-5d %s\n", name, b, a, share(b, a), d, c, share(d, c)
}
NR == 1 { printf "%-32s %21s  %22s\n", "file", "lines", "branches"; next }
$1 ~ /esp_confine_(child|jail)/ { printf "%-32s %s\n", $1, "   (confined: not counted)"; next }
{ row($1, $2, $3, $5, $6); a += $2; b += $3; c += $5; d += $6 }
END { row("all", a, b, c, d) }' "$build/coverage.csv"
