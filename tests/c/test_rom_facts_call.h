/* test_rom_facts_call.h - calls a function of the simulated mask ROM by its
 * address, on the chip, and tells what came back.
 */
#ifndef TEST_ROM_FACTS_CALL_H
#define TEST_ROM_FACTS_CALL_H

#include "test_rom_facts.h"

#include "../../src/sim/nor.h"

#define CODE 0x40100000u
#define TEXT 0x3FFE8000u
#define DATA 0x3FFE9000u
#define NOWHERE TEXT	/* peeked at when nothing is of interest */

/* Loads its arguments from the words before it, calls, and prints the result
 * (two words) and two words of memory. Words: function, a2..a5, the two
 * addresses (of which the first is a6, too), format, ets_printf. */
static const uint8_t caller[] = {
	0x00, 0xc0, 0x20,	/* mov  a12, a0 */
	0x21, 0xf7, 0xff,	/* l32r a2 .. a5 */
	0x31, 0xf7, 0xff,
	0x41, 0xf7, 0xff,
	0x51, 0xf8, 0xff,
	0x61, 0xf8, 0xff,	/* l32r a6, first address */
	0x01, 0xf2, 0xff,	/* l32r a0, function */
	0xc0, 0x00, 0x00,	/* callx0 a0 */
	0x51, 0xf6, 0xff,	/* l32r a5, first address */
	0x52, 0x25, 0x00,	/* l32i a5, a5, 0 */
	0x61, 0xf5, 0xff,	/* l32r a6, second address */
	0x62, 0x26, 0x00,	/* l32i a6, a6, 0 */
	0x30, 0x43, 0x20,	/* mov  a4, a3 */
	0x20, 0x32, 0x20,	/* mov  a3, a2 */
	0x21, 0xf3, 0xff,	/* l32r a2, format */
	0x01, 0xf3, 0xff,	/* l32r a0, ets_printf */
	0xc0, 0x00, 0x00,	/* callx0 a0 */
	0xa0, 0x0c, 0x00,	/* jx   a12 */
	0x00, 0x00,
};

struct call {
	uint32_t fn, a[4], peek1, peek2;
};

struct result {
	unsigned low, high, peek1, peek2;
};

static inline void put_word(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* Downloads the call; CODE + 36 is its entry. */
static inline void call_load(struct rig *r, const struct call *c)
{
	static const uint8_t format[24] = "<%08x %08x %08x %08x>\n";
	const uint32_t word[9] = { c->fn, c->a[0], c->a[1], c->a[2], c->a[3],
		c->peek1 ? c->peek1 : NOWHERE, c->peek2 ? c->peek2 : NOWHERE, TEXT, 0x400024CC };
	uint8_t code[36 + sizeof caller];

	for (int i = 0; i < 9; i++)
		put_word(code + 4 * i, word[i]);
	memcpy(code + 36, caller, sizeof caller);
	rig_load(r, TEXT, format, sizeof format);
	rig_load(r, CODE, code, sizeof code);
}

/* Starts a call that prints something of its own first, or waits. */
static inline void call_start(struct rig *r, const struct call *c)
{
	call_load(r, c);
	rig_enter(r, CODE + 36);
}

/* Ends the loader's session. */
static inline struct result call(struct rig *r, const struct call *c)
{
	struct result res;

	call_start(r, c);
	assert_true(rig_wait(r, 38, 20 * RIG_S) >= 38);
	r->rx[r->n] = 0;
	if (sscanf((char *)r->rx, "<%x %x %x %x>", &res.low, &res.high, &res.peek1, &res.peek2) != 4)
		fail_msg("the call printed: %.60s", (char *)r->rx);
	return res;
}

/* One call on a fresh chip whose flash is attached. */
static inline struct result call_once(struct call c)
{
	struct rig r;
	struct result res;

	rig_download(&r);
	rig_flash_begin(&r, 0, 0, 0x400, 0);
	rig_expect_ok(&r, OP_FLASH_BEGIN, RIG_S);
	res = call(&r, &c);
	rig_close(&r);
	return res;
}

static inline uint32_t call4(uint32_t fn, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	return call_once((struct call){ fn, { a, b, c, d }, 0, 0 }).low;
}

#endif
