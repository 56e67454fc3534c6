/* test_rom_facts_library.c - the simulated mask ROM's strings and printing,
 * called by address: as the real one was seen to do it.
 */
#include "test_rom_facts_call.h"

/* -- strings ------------------------------------------------------------------- */

static void string_functions_are_where_the_linker_script_says(void **state)
{
	static const uint8_t text[40] = "flash\0flame\0a flame\0\0\0\0--------";
	enum { FLASH = DATA, FLAME = DATA + 6, A_FLAME = DATA + 12, ROOM = DATA + 24 };
	static const struct { uint32_t fn[2], a[3]; uint32_t low, peek; } seen[] = {
		{ { 0x40002AA8, 0x4000BDC8 }, { FLASH, FLAME, 0 }, 's' - 'm', 0x73616C66 },
		{ { 0x40002AA8, 0x4000BDC8 }, { FLAME, A_FLAME + 2, 0 }, 0, 0x6D616C66 },
		{ { 0x40002AB8, 0x4000BFA8 }, { FLASH, FLAME, 3 }, 0, 0x73616C66 },
		{ { 0x40002AB8, 0x4000BFA8 }, { FLAME, FLASH, 4 }, (uint32_t)('m' - 's'), 0x6D616C66 },
		{ { 0x40002A88, 0x4000BEC8 }, { ROOM, FLASH, 0 }, ROOM, 0x73616C66 },
		{ { 0x40002A98, 0x4000C0A0 }, { ROOM, DATA + 3, 4 }, ROOM, 0x00006873 },
		{ { 0x40002AD8, 0x4000E1E0 }, { A_FLAME, FLAME, 0 }, A_FLAME + 2, 0x6C662061 },
		{ { 0x40002AD8, 0x4000E1E0 }, { FLASH, FLAME, 0 }, 0, 0x73616C66 },
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof seen / sizeof seen[0]; i++) {
		const uint32_t *a = seen[i / 2].a;
		struct call c = { seen[i / 2].fn[i % 2], { a[0], a[1], a[2], 0 }, a[0] & ~3u, 0 };
		struct result res;
		struct rig r;

		rig_download(&r);
		rig_load(&r, DATA, text, sizeof text);
		res = call(&r, &c);
		assert_int_equal(res.low, seen[i / 2].low);
		if (a[0] % 4 == 0)
			assert_int_equal(res.peek1, seen[i / 2].peek);
		rig_close(&r);
	}
}

/* Firmware asks for the length of strings in flash, and copies from there. */
static void strings_may_be_where_only_words_can_be_read(void **state)
{
	static const uint8_t text[16] = "abcdef\0\0abcdefg";
	enum { THERE = CODE + 0x400, ROOM = DATA + 0x100 };
	static const struct { uint32_t fn, a[3], low, peek; } seen[] = {
		{ 0x4000BF4C, { THERE, 0, 0 }, 6, 0 },			/* strlen */
		{ 0x4000BF4C, { THERE + 2, 0, 0 }, 4, 0 },
		{ 0x4000BF4C, { THERE + 8, 0, 0 }, 7, 0 },
		{ 0x4000BEC8, { ROOM, THERE, 0 }, ROOM, 0x64636261 },	/* strcpy */
		{ 0x4000BFA8, { THERE, DATA, 8 }, 0, 0 },		/* strncmp */
		{ 0x4000DEA8, { THERE, DATA, 8 }, 0, 0 },		/* memcmp */
		{ 0x4000DF48, { ROOM, THERE + 1, 4 }, ROOM, 0x65646362 },	/* memcpy */
		{ 0x4000DF48, { ROOM, THERE + 3, 8 }, ROOM, 0x00666564 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
		const uint32_t *a = seen[i].a;
		struct call c = { seen[i].fn, { a[0], a[1], a[2], 0 }, ROOM, 0 };
		struct result res;
		struct rig r;

		rig_download(&r);
		rig_load(&r, DATA, text, sizeof text);
		rig_load(&r, THERE, text, sizeof text);
		res = call(&r, &c);
		assert_int_equal(res.low, seen[i].low);
		if (seen[i].peek)
			assert_int_equal(res.peek1, seen[i].peek);
		rig_close(&r);
	}
}

/* -- printing ------------------------------------------------------------------- */

/* Prints one word by a format; what ets_printf itself returns comes after it. */
static void expect_printed(const char *format, uint32_t v, const char *want)
{
	uint8_t text[16] = { 0 };
	struct rig r;

	memcpy(text, format, strlen(format));
	rig_download(&r);
	rig_load(&r, DATA, text, sizeof text);
	call_start(&r, &(struct call){ 0x400024CC, { DATA, v, 0, 0 }, 0, 0 });
	rig_expect_text(&r, want, RIG_S);
	rig_expect_text(&r, "<", RIG_S);
	rig_wait(&r, 9, RIG_S);
	assert_int_equal(strtoul((char *)r.rx, NULL, 16), strlen(want));
	rig_close(&r);
}

static void printf_knows_the_usual_conversions(void **state)
{
	(void)state;
	expect_printed("[%d]", (uint32_t)-12, "[-12]");
	expect_printed("[%5d]", (uint32_t)-12, "[  -12]");
	expect_printed("[%05d]", (uint32_t)-12, "[-0012]");
	expect_printed("[%-5d]", (uint32_t)-12, "[-12  ]");
	expect_printed("[%u]", 4294967295u, "[4294967295]");
	expect_printed("[%x]", 0xABCDEF, "[abcdef]");
	expect_printed("[%08X]", 0xABCDEF, "[00ABCDEF]");
	expect_printed("[%lu]", 0, "[0]");
	expect_printed("[%4c]", 'z', "[z]");
	expect_printed("[%.3x]", 5, "[5]");
	expect_printed("[%8.3x]", 5, "[00000005]");
	expect_printed("[%s]", 0, "[<null>]");
	expect_printed("[%s]", DATA + 6, "[]");
	expect_printed("[%4s]:ab", DATA + 6, "[  ab]:ab");
	expect_printed("[%-4s]:a", DATA + 7, "[a   ]:a");
}

static void printf_leaves_what_it_does_not_know(void **state)
{
	(void)state;
	expect_printed("[%o]", 8, "[%o]");
	expect_printed("[%i]", 8, "[%i]");
	expect_printed("[%hx]", 8, "[%hx]");
	expect_printed("[%3q]", 8, "[%q   ]");
}

static void vprintf_prints_through_a_function_of_the_callers(void **state)
{
	uint8_t text[48] = "[%d %x %s]\n";
	/* A va_list is three words: where arguments on the stack are counted from,
	 * those in registers, how far it is. The third is what the call has in a6,
	 * far beyond the registers, so that arguments come from first + third. */
	struct call c = { 0x40001F00, { 0, DATA, DATA + 32 - NOWHERE, 0 }, 0, 0 };
	static const struct { uint32_t put; const char *sent; } seen[] = {
		{ 0x40003B30, "[-16 abc yes]\n<0000000e " },	/* uart_tx_one_char */
		{ 0x40001DA0, "[-16 abc yes]\r\n<0000000e " },	/* ets_write_char */
	};

	(void)state;
	put_word(text + 32, 0xFFFFFFF0);
	put_word(text + 36, 0xABC);
	put_word(text + 40, DATA + 44);
	memcpy(text + 44, "yes", 4);
	for (int i = 0; i < 2; i++) {
		struct rig r;

		c.a[0] = seen[i].put;
		rig_download(&r);
		rig_load(&r, DATA, text, sizeof text);
		call_start(&r, &c);
		rig_expect_text(&r, seen[i].sent, RIG_S);
		rig_close(&r);
	}
}

/* The number of characters that ets_printf returns is not that of those sent:
 * a per cent sign and the first two characters of a pointer are not counted. */
static void printf_does_not_count_all_that_it_prints(void **state)
{
	static const struct { const char *format; uint32_t v; const char *sent; } seen[] = {
		{ "[%c%%]", 'z', "[z%]<00000003 " },
		{ "[%p]", 0x40001000, "[0x40001000]<0000000a " },
		{ "[%-p]", 5, "[0x5       ]<0000000a " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
		uint8_t text[16] = { 0 };
		struct rig r;

		memcpy(text, seen[i].format, strlen(seen[i].format));
		rig_download(&r);
		rig_load(&r, DATA, text, sizeof text);
		call_start(&r, &(struct call){ 0x400024CC, { DATA, seen[i].v, 0, 0 }, 0, 0 });
		rig_expect_text(&r, seen[i].sent, RIG_S);
		rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(string_functions_are_where_the_linker_script_says),
		cmocka_unit_test(strings_may_be_where_only_words_can_be_read),
		cmocka_unit_test(printf_knows_the_usual_conversions),
		cmocka_unit_test(printf_leaves_what_it_does_not_know),
		cmocka_unit_test(vprintf_prints_through_a_function_of_the_callers),
		cmocka_unit_test(printf_does_not_count_all_that_it_prints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
