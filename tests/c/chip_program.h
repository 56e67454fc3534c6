/* chip_program.h - a chip with a few loops of our own in its ROM, for tests of
 * when a program sees what its devices do.
 *
 * The ROM stores the pairs (address, value) from PROGRAM_SETUP on up to an
 * address 0, then enters the loop that the mailbox names. Every loop calls
 * `done` for what it sees: it counts, and it mixes the cycle into a sum, so that
 * two runs with equal sums saw everything at the same cycles.
 *
 *	  50: j isr
 *	  80: j boot; 84: .word 0x3ffe8000
 *	boot: l32r a2,84; movi a3,0x20; wsr.ps a3; addi a1,a2,64
 *	  94: l32i a3,a1,0; beqz a3,a6; l32i a4,a1,4; s32i a4,a3,0; addi a1,a1,8; j 94
 *	  a6: l32i a8,a2,0; l32i a9,a2,4; l32i a13,a2,8; l32i a3,a2,12
 *	      movi a12,0; movi a14,0; movi a11,0; jx a3
 *	done: rsr.ccount a15; slli a5,a14,1; extui a14,a14,31,1; add a14,a5,a14
 *	      add a14,a14,a15; addi a12,a12,1; s32i a12,a2,16; s32i a14,a2,20; ret
 *	watch: l32i a10,a8,0; and a10,a10,a9; beq a10,a11,watch; mov a11,a10
 *	      call0 done; j watch
 *	busy: s32i a9,a8,0
 *	  f3: l32i a10,a8,0; bnez a10,f3; call0 done; mov a10,a13
 *	  ff: addi a10,a10,-1; bnez a10,ff; j busy
 *	echo: call0 move; j echo
 *	move: l32i a10,a8,0x1c; extui a11,a10,0,8; beqz a11,134; extui a11,a10,16,8
 *	      movi a10,100; bge a11,a10,move; mov a7,a0; call0 done; mov a0,a7
 *	      l32i a10,a8,0; s32i a10,a8,0; j move
 *	 134: ret
 *	sleep: wsr.intenable a13; rsync
 *	 13e: waiti 0; j 13e
 *	isr:  bnez a9,153; call0 move; movi a10,-1; s32i a10,a8,0x10; rfe
 *	 153: call0 done; movi a10,0x200; s32i a10,a8,0x30; s32i a9,a8,0; rfe */
#ifndef CHIP_PROGRAM_H
#define CHIP_PROGRAM_H

#include "sim/chip.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t program_vector[] = { 0x06, 0x3c, 0x00 };
static const uint8_t program_code[] = {
	0x06, 0x01, 0x00, 0x00, 0x00, 0x80, 0xfe, 0x3f, 0x21, 0xff, 0xff, 0x32, 0xa0, 0x20, 0x30, 0xe6,
	0x13, 0x12, 0xc2, 0x40, 0x32, 0x21, 0x00, 0x16, 0xb3, 0x00, 0x42, 0x21, 0x01, 0x42, 0x63, 0x00,
	0x12, 0xc1, 0x08, 0x46, 0xfb, 0xff, 0x82, 0x22, 0x00, 0x92, 0x22, 0x01, 0xd2, 0x22, 0x02, 0x32,
	0x22, 0x03, 0xc2, 0xa0, 0x00, 0xe2, 0xa0, 0x00, 0xb2, 0xa0, 0x00, 0xa0, 0x03, 0x00, 0x00, 0x00,
	0xf0, 0xea, 0x03, 0xf0, 0x5e, 0x11, 0xe0, 0xef, 0x05, 0xe0, 0xe5, 0x80, 0xf0, 0xee, 0x80, 0xc2,
	0xcc, 0x01, 0xc2, 0x62, 0x04, 0xe2, 0x62, 0x05, 0x80, 0x00, 0x00, 0x00, 0xa2, 0x28, 0x00, 0x90,
	0xaa, 0x10, 0xb7, 0x1a, 0xf6, 0xa0, 0xba, 0x20, 0x45, 0xfd, 0xff, 0x46, 0xfb, 0xff, 0x00, 0x00,
	0x92, 0x68, 0x00, 0xa2, 0x28, 0x00, 0x56, 0x9a, 0xff, 0x45, 0xfc, 0xff, 0xd0, 0xad, 0x20, 0xa2,
	0xca, 0xff, 0x56, 0x9a, 0xff, 0xc6, 0xf9, 0xff, 0x45, 0x00, 0x00, 0x46, 0xfe, 0xff, 0x00, 0x00,
	0xa2, 0x28, 0x07, 0xa0, 0xb0, 0x74, 0x16, 0xab, 0x01, 0xa0, 0xb0, 0x75, 0xa2, 0xa0, 0x64, 0xa7,
	0xab, 0xed, 0x00, 0x70, 0x20, 0x85, 0xf9, 0xff, 0x70, 0x07, 0x20, 0xa2, 0x28, 0x00, 0xa2, 0x68,
	0x00, 0xc6, 0xf6, 0xff, 0x80, 0x00, 0x00, 0x00, 0xd0, 0xe4, 0x13, 0x10, 0x20, 0x00, 0x00, 0x70,
	0x00, 0x46, 0xfe, 0xff, 0x56, 0xb9, 0x00, 0x85, 0xfc, 0xff, 0xa2, 0xaf, 0xff, 0xa2, 0x68, 0x04,
	0x00, 0x30, 0x00, 0xc5, 0xf6, 0xff, 0xa2, 0xa2, 0x00, 0xa2, 0x68, 0x0c, 0x92, 0x68, 0x00, 0x00,
	0x30, 0x00
};

enum {
	PROGRAM_MAILBOX = 0x3FFE8000, PROGRAM_SETUP = PROGRAM_MAILBOX + 64,
	PROGRAM_COUNT = PROGRAM_MAILBOX + 16, PROGRAM_SUM = PROGRAM_MAILBOX + 20,
};

enum program_loop {
	LOOP_WATCH = 0x400000DC,	/* sees changes of a masked register */
	LOOP_BUSY = 0x400000F0,		/* starts a command until its register reads 0, and again */
	LOOP_ECHO = 0x40000108,		/* polls a UART and sends back what comes */
	LOOP_SLEEP = 0x40000138,	/* waiti; interrupts echo, or start an SPI command */
};

struct program {
	enum program_loop loop;
	uint32_t addr;			/* register, or base of the device */
	uint32_t value;			/* mask, or command */
	uint32_t extra;			/* delay in turns, or interrupts to enable */
	const uint32_t (*setup)[2];	/* ends with address 0; NULL = none */
};

static char program_rom[] = "/tmp/chip_program.XXXXXX";

static int write_program_rom(void **state)
{
	uint8_t rom[0x10000] = { 0 };
	int fd = mkstemp(program_rom);
	bool ok;

	(void)state;
	memcpy(rom + 0x50, program_vector, sizeof program_vector);
	memcpy(rom + 0x80, program_code, sizeof program_code);
	ok = fd >= 0 && write(fd, rom, sizeof rom) == sizeof rom;
	close(fd);
	return ok ? 0 : -1;
}

static int remove_program_rom(void **state)
{
	(void)state;
	return unlink(program_rom);
}

/* A chip that runs the program since 100 us; its loop is reached by then. */
static struct chip *open_program(const struct program *p, const char *options)
{
	static const uint32_t no_setup[1][2] = { { 0, 0 } };
	const uint32_t (*setup)[2] = p->setup ? p->setup : no_setup;
	struct chip_config cfg;
	struct esp_error err = { 0 };
	struct chip *c;
	uint32_t at = PROGRAM_SETUP;

	chip_config_init(&cfg);
	if (chip_config_parse_query(&cfg, "size=256K&wiring=none&strap=1", &err) < 0 ||
	    chip_config_parse_query(&cfg, options, &err) < 0)
		fail_msg("%s", err.text);
	snprintf(cfg.rom_path, sizeof cfg.rom_path, "%s", program_rom);
	c = chip_open(&cfg, &err);
	if (!c)
		fail_msg("%s", err.text);
	chip_poke(c, PROGRAM_MAILBOX, p->addr);
	chip_poke(c, PROGRAM_MAILBOX + 4, p->value);
	chip_poke(c, PROGRAM_MAILBOX + 8, p->extra);
	chip_poke(c, PROGRAM_MAILBOX + 12, p->loop);
	chip_poke(c, PROGRAM_COUNT, 0);
	chip_poke(c, PROGRAM_SUM, 0);
	do {
		chip_poke(c, at, (*setup)[0]);
		chip_poke(c, at + 4, (*setup)[1]);
		at += 8;
	} while ((*setup++)[0]);
	chip_run(c, 100, false);
	return c;
}

#endif
