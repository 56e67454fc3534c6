#!/bin/sh
# Writes assembly that carries each file given, with a table of
# {name, start, end} that src/embed.h declares. "third:PATH" is a module of
# somebody else's and gets the name third/FILE.
set -eu
i=0
echo '	.section .rodata'
for f in "$@"; do
	path=${f#third:}
	name=$f
	[ "$path" = "$f" ] || name=third/${path##*/}
	printf 'n%d:\t.asciz "%s"\n\t.balign 16\nb%d:\t.incbin "%s"\ne%d:\t.byte 0\n' \
		$i "$name" $i "$path" $i
	i=$((i + 1))
done
printf '\t.section .data.rel.ro,"aw"\n\t.balign 8\n\t.globl embed_files\nembed_files:\n'
j=0
while [ $j -lt $i ]; do
	printf '\t.quad n%d, b%d, e%d\n' $j $j $j
	j=$((j + 1))
done
printf '\t.quad 0, 0, 0\n\t.section .note.GNU-stack,"",@progbits\n'
