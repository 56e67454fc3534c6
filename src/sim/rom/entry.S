/* entry.S - vectors, reset code and the jumps at the published addresses.
 *
 * Layer: inside the simulated chip. Each `at ADDRESS, FUNCTION` puts a jump
 * where firmware expects that ROM function; the function itself is C.
 */
	.macro	at address, function
	.org	\address - BASE
	j	\function
	.endm

	/* Offsets in the frame that exceptions push (struct exc_frame). */
	.set	F_EPC1, 0
	.set	F_PS, 4
	.set	F_SAR, 8
	.set	F_VPRI, 12
	.set	F_A0, 16
	.set	F_A2, 20
	.set	F_A3, 24
	.set	F_A4, 28
	.set	F_CAUSE, 76

	.section .band0, "ax"
	.begin	no-transform
	.set	BASE, 0x40000000
/* l32r reaches only backwards, so the vectors' literal comes first. */
lit_exc_table:
	.word	rom_exc_table

	.org	0x10			/* debug: a `break` ends here for good */
	.global rom_halt
rom_halt:
	waiti	2
	j	rom_halt
	.org	0x20			/* NMI: nobody raises it in the ROM */
	rfi	3
	.org	0x30			/* exception with PS.UM = 0 */
	break	1, 0
	j	rom_halt
	.org	0x50			/* exception or interrupt, PS.UM = 1 */
	addmi	a1, a1, -256
	s32i	a2, a1, F_A2
	s32i	a3, a1, F_A3
	l32r	a3, lit_exc_table
	rsr	a2, exccause
	addx4	a2, a2, a3
	l32i	a2, a2, 0
	jx	a2
	.org	0x70			/* exception inside an exception */
	break	1, 4
	j	rom_halt
	.org	0x80
	.global rom_reset
rom_reset:
	j	rom_start

	at	0x40000454, _xtos_set_exception_handler
	at	0x400005F0, srand
	at	0x40000600, rand
	at	0x40000650, __muldi3
	at	0x40000F74, ets_intr_lock
	at	0x40000F80, ets_intr_unlock
	at	0x40000F88, ets_isr_attach
	at	0x40000F98, ets_isr_mask
	at	0x40000FA8, ets_isr_unmask
	at	0x40000FBC, ets_set_user_start
	.org	0x1000			/* tools know the chip by this word */
	.word	0xFFF0C101

/* The last part of main. A stub that returns to 0x400010A8 with no user start
 * boots what is in flash; code that was downloaded is called from 0x400010FD,
 * so that it returns to 0x40001100. */
	.org	0x10A4
lit_user_start:
	.word	rom_user_start
	.org	0x10A8
	.global rom_boot
rom_boot:
	l32r	a2, lit_user_start
	l32i	a2, a2, 0
	bnez	a2, 1f
	call0	rom_load_image
	beqz	a2, 1f
	call0	rom_no_image
1:	call0	rom_install_fatal
	l32r	a2, lit_user_start
	l32i	a2, a2, 0
	beqz	a2, 3f
	j	2f
	.org	0x10FD
2:	callx0	a2
	.org	0x1100
3:	j	rom_user_done

	at	0x40001308, rom_load_image
	at	0x400018A4, memset
	at	0x400018B4, memcpy
	at	0x400018C4, memmove
	at	0x400018D4, memcmp
	at	0x40001DA0, ets_write_char
	at	0x40001F00, ets_vprintf
	at	0x4000242C, ets_install_putc1
	at	0x40002438, ets_install_uart_printf
	at	0x400024CC, ets_printf
	at	0x400025E0, rtc_get_reset_reason
	at	0x4000264C, software_reset
	at	0x40002A88, strcpy
	at	0x40002A98, strncpy
	at	0x40002AA8, strcmp
	at	0x40002AB8, strncmp
	at	0x40002AC8, strlen
	at	0x40002AD8, strstr
	at	0x40002AE8, bzero
	at	0x40002BE8, ets_putc
	at	0x40002ECC, ets_delay_us
	at	0x40002F04, ets_update_cpu_frequency
	at	0x40002F0C, ets_get_cpu_frequency
	at	0x40002FA0, ets_wdt_enable
	at	0x400030F0, ets_wdt_disable
	at	0x40003158, ets_wdt_restore
	at	0x40003170, ets_wdt_init
	at	0x400031D4, checksum
	at	0x40003230, UartConnCheck
	at	0x40003368, UartDwnLdProc
	at	0x4000383C, uartAttach
	at	0x400038A4, uart_buff_switch
	at	0x40003924, uart_baudrate_detect
	at	0x400039D8, uart_div_modify
	at	0x40003A14, Uart_Init
	at	0x40003B30, uart_tx_one_char
	at	0x40003B64, uart_rx_one_char_block
	at	0x40003B8C, uart_rx_one_char
	at	0x40003C80, send_packet
	at	0x40003CF4, SendMsg
	at	0x40003D08, recv_packet
	at	0x40003EAC, RcvMsg
	at	0x40003EC8, uart_rx_readbuff
	at	0x40003F4C, GetUartDevice
	at	0x40003F58, SelectSpiFunction
	at	0x400043C8, SPI_read_status
	at	0x40004400, SPI_write_status
	at	0x4000443C, SPI_write_enable
	at	0x4000448C, Wait_SPI_Idle
	at	0x400044C0, Enable_QMode
	at	0x40004508, Disable_QMode
	at	0x40004568, SPIFlashModeConfig
	at	0x40004644, spi_flash_attach
	at	0x40004678, Cache_Read_Enable
	at	0x400047F0, Cache_Read_Disable
	at	0x40004878, SPIUnlock
	at	0x400048A8, SPILock
	at	0x400048EC, SPIReadModeCnfig
	at	0x40004984, SPIEraseChip
	at	0x400049B4, SPIEraseBlock
	at	0x40004A00, SPIEraseSector
	at	0x40004A4C, SPIWrite
	at	0x40004B1C, SPIRead
	at	0x40004B44, SPIEraseArea
	at	0x40004C2C, SPIParamCfg
	.end	no-transform

	.section .band1, "ax"
	.begin	no-transform
	.set	BASE, 0x40007200
	at	0x40007268, rom_i2c_readReg
	at	0x400072D8, rom_i2c_writeReg
	.end	no-transform

	.section .band2, "ax"
	.begin	no-transform
	.set	BASE, 0x40009800
	at	0x40009818, MD5Init
	at	0x40009834, MD5Update
	at	0x40009900, MD5Final
	at	0x4000A2CC, hmac_md5
	at	0x4000B584, SHA1Init
	at	0x4000B5A8, SHA1Update
	at	0x4000B648, SHA1Final
	at	0x4000BDC8, strcmp
	at	0x4000BEC8, strcpy
	at	0x4000BF4C, strlen
	at	0x4000BFA8, strncmp
	at	0x4000C0A0, strncpy
	at	0x4000D310, __udivdi3
	at	0x4000D770, __umoddi3
	.org	0x4000DBF8 - BASE	/* the C handler that stands for "none" */
	.global rom_exc_none
rom_exc_none:
	break	1, 15
	j	rom_halt
	.org	0x4000DC3C - BASE	/* an interrupt that nobody attached to */
	.global rom_int_none
rom_int_none:
	break	1, 15
	j	rom_halt
	at	0x4000DC88, __divsi3
	at	0x4000DD38, xthal_get_ccount
	at	0x4000DD40, xthal_set_ccompare
	at	0x4000DE84, bzero
	at	0x4000DEA8, memcmp
	at	0x4000DF48, memcpy
	at	0x4000E04C, memmove
	at	0x4000E190, memset
	at	0x4000E1E0, strstr
	at	0x4000E21C, __udivsi3
	at	0x4000E268, __umodsi3
	.end	no-transform

	.text
	.literal_position
/* From reset: stack at the top of RAM, vectors in the ROM, system RAM zeroed
 * and its variables set, then main and whatever it decided on. */
	.global rom_start
	.align	4
rom_start:
	movi	a0, 0
	wsr	a0, intenable
	wsr	a0, litbase
	movi	a2, 0x40000000
	wsr	a2, vecbase
	mov	a1, a2
	movi	a3, 0x20
	wsr	a3, ps
	rsync
	movi	a2, rom_ram_start
	movi	a3, rom_ram_end
1:	s32i	a0, a2, 0
	addi	a2, a2, 4
	bltu	a2, a3, 1b
	addi	a1, a1, -16
	call0	rom_init_vars
	call0	rom_main
	j	rom_boot

/* An exception that nobody handles: stop, with all registers as they are. */
	.global rom_exc_unhandled
	.align	4
rom_exc_unhandled:
	break	1, 1
	j	rom_halt

/* Waits for interrupts for ever. */
	.global rom_idle
	.align	4
rom_idle:
	waiti	0
	j	rom_idle

	.macro	save_registers
	s32i	a0, a1, F_A0
	s32i	a4, a1, F_A4
	s32i	a5, a1, F_A4 + 4
	s32i	a6, a1, F_A4 + 8
	s32i	a7, a1, F_A4 + 12
	s32i	a8, a1, F_A4 + 16
	s32i	a9, a1, F_A4 + 20
	s32i	a10, a1, F_A4 + 24
	s32i	a11, a1, F_A4 + 28
	s32i	a12, a1, F_A4 + 32
	s32i	a13, a1, F_A4 + 36
	s32i	a14, a1, F_A4 + 40
	s32i	a15, a1, F_A4 + 44
	rsr	a2, epc1
	s32i	a2, a1, F_EPC1
	rsr	a2, ps
	s32i	a2, a1, F_PS
	rsr	a2, sar
	s32i	a2, a1, F_SAR
	rsr	a2, exccause
	s32i	a2, a1, F_CAUSE
	.endm

	/* PS for a handler: the level that was interrupted, EXCM = 0, UM = 1. */
	.macro	enter_handler_ps
	l32i	a2, a1, F_PS
	extui	a2, a2, 0, 4
	addi	a2, a2, 0x20
	wsr	a2, ps
	rsync
	.endm

/* An exception with a C handler: handler(frame, cause). What the handler
 * changes in the frame is what the interrupted code finds. */
	.global rom_exc_call_c
	.align	4
rom_exc_call_c:
	save_registers
	mov	a3, a2
	enter_handler_ps
	movi	a4, rom_exc_handlers
	addx4	a4, a3, a4
	l32i	a4, a4, 0
	mov	a2, a1
	callx0	a4
rom_exc_return:
	l32i	a2, a1, F_PS		/* has EXCM set */
	wsr	a2, ps
	rsync
	l32i	a2, a1, F_EPC1
	wsr	a2, epc1
	l32i	a2, a1, F_SAR
	wsr	a2, sar
	l32i	a0, a1, F_A0
	l32i	a4, a1, F_A4
	l32i	a5, a1, F_A4 + 4
	l32i	a6, a1, F_A4 + 8
	l32i	a7, a1, F_A4 + 12
	l32i	a8, a1, F_A4 + 16
	l32i	a9, a1, F_A4 + 20
	l32i	a10, a1, F_A4 + 24
	l32i	a11, a1, F_A4 + 28
	l32i	a12, a1, F_A4 + 32
	l32i	a13, a1, F_A4 + 36
	l32i	a14, a1, F_A4 + 40
	l32i	a15, a1, F_A4 + 44
	l32i	a3, a1, F_A3
	l32i	a2, a1, F_A2
	addmi	a1, a1, 256
	rfe

/* Level-1 interrupts: the highest number first, those of the same and of lower
 * number masked while its handler(arg, frame) runs at level 0. */
	.global rom_int_dispatch
	.align	4
rom_int_dispatch:
	save_registers
	movi	a12, rom_int_enabled
	l32i	a13, a12, 4		/* priority mask of what was interrupted */
	s32i	a13, a1, F_VPRI
1:	rsr	a4, interrupt
	rsr	a5, intenable
	and	a4, a4, a5
	beqz	a4, 2f
	nsau	a5, a4
	movi	a6, 31
	sub	a5, a6, a5		/* n */
	ssl	a5
	movi	a6, 1
	sll	a6, a6			/* 1 << n */
	wsr	a6, intclear
	slli	a7, a6, 1
	neg	a7, a7			/* numbers above n */
	and	a7, a7, a13
	s32i	a7, a12, 4
	l32i	a8, a12, 0
	and	a8, a8, a7
	wsr	a8, intenable
	rsync
	movi	a9, 14
	sub	a9, a9, a5
	addx8	a9, a9, a12		/* record of n is [14 - n], after two words */
	l32i	a4, a9, 8
	l32i	a10, a9, 12
	enter_handler_ps
	mov	a2, a10
	mov	a3, a1
	callx0	a4
	l32i	a2, a1, F_PS		/* EXCM again: nothing nests from here */
	wsr	a2, ps
	rsync
	s32i	a13, a12, 4
	l32i	a2, a12, 0
	and	a2, a2, a13
	wsr	a2, intenable
	rsync
	j	1b
2:	j	rom_exc_return
