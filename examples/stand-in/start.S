/* start.S - where the ROM jumps to: zeroes what C expects to be zero. The ROM's
 * stack is kept. */
	.text
	.literal_position
	.align	4
begin:
	movi	a2, bss_start
	movi	a3, bss_end
	movi	a4, 0
1:	bgeu	a2, a3, 2f
	s32i	a4, a2, 0
	addi	a2, a2, 4
	j	1b
2:	j	hello_main

	/* The image's entry is the first byte of its code segment. */
	.section .entry, "ax"
	.global entry
entry:
	j	begin
