#!/bin/sh
# The main job on a simulated chip: explain an image, flash it, prove it, boot
# it and show what it prints. Usage: examples/demo.sh PATH_TO_MOONFLASH
set -eu
moonflash=$1
flash=$(mktemp -d)/board.flash
trap 'rm -rf "${flash%/*}"' EXIT
image=examples/hello/hello.bin

show() {
	printf '\n$ %s\n' "$*" | sed "s#$moonflash#moonflash#; s#$flash#board.flash#"
	"$@"
}

show "$moonflash" image info "$image"
show "$moonflash" -p "sim:$flash?size=4M" info
show "$moonflash" -p "sim:$flash" write 0x0 "$image" --listen 2
cmp -n "$(wc -c < "$image")" "$image" "$flash" 2>/dev/null ||
	echo "(the image in flash differs from the file in its size nibble only: patched to 4 MB)"
