/* vectors.S - start-up and exception handlers of the differential test.
 *
 * Every handler steps over the instruction that faulted (2 bytes when bit 3 of
 * its first byte is set, else 3), so that programs may contain anything.
 * Linked at 0x50000000, where QEMU's core starts; programs begin 0x1000 on.
 */
	.text
	.global	_start
_start:
	j	boot

	.macro	step_over epc
	wsr	a2, excsave1
	wsr	a3, excsave2
	rsr	a2, \epc
	l8ui	a3, a2, 0
	addi	a2, a2, 2
	bbsi	a3, 3, 1f
	addi	a2, a2, 1
1:	wsr	a2, \epc
	rsr	a2, excsave1
	rsr	a3, excsave2
	.endm

	.org	0x110
	j	debug
	.org	0x130
	j	general
	.org	0x150
	j	general
	.org	0x170
	j	double

	.org	0x200
boot:
	movi	a2, 0x100
	movi	a3, 5
	slli	a3, a3, 28
	add	a2, a2, a3
	wsr	a2, vecbase
	movi	a2, 0x440
	slli	a2, a2, 2
	add	a2, a2, a3
	movi	a3, 0
	jx	a2

	.align	4
debug:
	step_over epc2
	rfi	2

	.align	4
general:
	wsr	a2, excsave1
	rsr	a2, exccause
	beqi	a2, 4, interrupt
	rsr	a2, excsave1
	step_over epc1
	rfe
interrupt:
	movi	a2, 0x80
	wsr	a2, intclear
	rsr	a2, excsave1
	rfe

	.align	4
double:
	step_over depc
	rfde
