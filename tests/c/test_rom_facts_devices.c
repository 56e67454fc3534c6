/* test_rom_facts_devices.c - the simulated mask ROM's functions for flash and
 * UART, called by address: results, registers and what the flash chip sees.
 */
#include "test_rom_facts_call.h"

#define SPI_CTRL 0x60000208u

/* -- flash -------------------------------------------------------------------- */

static void read_mode_config_sets_the_bits_seen(void **state)
{
	static const uint32_t bits[6] = {
		0x01402000, 0x00502000, 0x00C02000, 0x00406000, 0x00402000, 0x00400000,
	};

	(void)state;
	for (uint32_t mode = 0; mode < 6; mode++) {
		struct result res = call_once((struct call){ 0x400048EC, { mode, 0, 0, 0 },
			SPI_CTRL, 0 });

		assert_int_equal(res.low, 0);
		assert_int_equal(res.peek1, 0x00288313 | bits[mode]);
	}
}

static void flash_mode_config_sets_the_divider_seen(void **state)
{
	static const uint32_t want[5] = { 0, 0x00289000, 0x00288101, 0x00288202, 0x00288313 };

	(void)state;
	for (uint32_t div = 1; div <= 4; div++) {
		struct result res = call_once((struct call){ 0x40004568, { 5, div, 0, 0 },
			SPI_CTRL, 0x60000800 });

		assert_int_equal(res.peek1, want[div]);
		assert_int_equal(res.peek2 & 0x100, div == 1 ? 0x100 : 0);
	}
}

static void flash_mode_config_sets_the_lanes_only(void **state)
{
	static const uint32_t bits[7] = {
		0x01000000, 0x00100000, 0x00800000, 0x00004000, 0x00002000, 0, 0,
	};

	(void)state;
	for (uint32_t mode = 0; mode < 7; mode++) {
		struct result res = call_once((struct call){ 0x40004568, { mode, 4, 0, 0 },
			SPI_CTRL, 0 });

		assert_int_equal(res.peek1, 0x00288313 | bits[mode]);
	}
}

static void attach_leaves_the_slow_plain_read_mode(void **state)
{
	(void)state;
	assert_int_equal(call_once((struct call){ 0x40004644, { 0 }, SPI_CTRL, 0 }).peek1, 0x00688313);
}

static void cache_enable_sets_the_registers_seen(void **state)
{
	static const struct { uint32_t a[3], control, banks; } seen[] = {
		{ { 0, 0, 0 }, 0x00000100, 0x08 },
		{ { 0, 0, 1 }, 0x04000100, 0x18 },
		{ { 1, 0, 1 }, 0x06000100, 0x18 },
		{ { 2, 3, 1 }, 0x05030100, 0x18 },
		{ { 1, 1, 0 }, 0x02010100, 0x08 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
		struct result res = call_once((struct call){ 0x40004678,
			{ seen[i].a[0], seen[i].a[1], seen[i].a[2], 0 }, 0x3FF0000C, 0x3FF00024 });

		assert_int_equal(res.peek1, seen[i].control);
		assert_int_equal(res.peek2 & 0x18, seen[i].banks);
	}
	assert_int_equal(call_once((struct call){ 0x40004678, { 0 }, SPI_CTRL, 0 }).peek1, 0x006A8313);
}

static void cache_enable_forgets_the_window_before(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	rig_write_reg(&r, 0x3FF0000C, 0x07070000);
	assert_int_equal(call(&r, &(struct call){ 0x40004678, { 0, 2, 0, 0 }, 0x3FF0000C, 0 }).peek1,
			 0x00020100);
	rig_close(&r);
}

static void attach_slows_down_a_flash_clock_that_was_undivided(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	rig_write_reg(&r, 0x60000800, 0x300);
	assert_int_equal(call(&r, &(struct call){ 0x40004644, { 0 }, 0x60000800, 0 }).peek1, 0x200);
	rig_close(&r);
}

static void cache_disable_clears_enable_but_not_the_banks(void **state)
{
	struct rig r;
	struct call off = { 0x400047F0, { 0 }, 0x3FF0000C, 0x3FF00024 };
	struct result res;

	(void)state;
	rig_download(&r);
	rig_write_reg(&r, 0x3FF0000C, 0x04000100);
	rig_write_reg(&r, 0x3FF00024, 0x18);
	rig_write_reg(&r, SPI_CTRL, 0x006A8313);
	res = call(&r, &off);
	assert_int_equal(res.peek1 & 0x100, 0);
	assert_int_equal(res.peek2 & 0x18, 0x18);
	assert_int_equal(chip_peek(r.chip, SPI_CTRL) & 0x20000, 0);
	rig_close(&r);
}

static void flash_functions_check_the_tables_size(void **state)
{
	(void)state;
	assert_int_equal(call4(0x40004B1C, 0x3FFFFC, DATA, 4, 0), 0);	/* SPIRead */
	assert_int_equal(call4(0x40004B1C, 0x3FFFFC, DATA, 5, 0), 1);
	assert_int_equal(call4(0x40004A4C, 0x3FFFFC, DATA, 8, 0), 1);	/* SPIWrite */
	assert_int_equal(call4(0x40004A4C, 0x3FFFFC, DATA, 4, 0), 0);
	assert_int_equal(call4(0x40004A4C, 0, DATA, 3, 0), 1);
	assert_int_equal(call4(0x40004A00, 0x3FF, 0, 0, 0), 0);		/* SPIEraseSector */
	assert_int_equal(call4(0x40004A00, 0x400, 0, 0, 0), 1);
	assert_int_equal(call4(0x400049B4, 0x40, 0, 0, 0), 1);		/* SPIEraseBlock */
	assert_int_equal(call4(0x400049B4, 0x3F, 0, 0, 0), 0);
	assert_int_equal(call4(0x40004B44, 0x800, 0x1000, 0, 0), 1);	/* SPIEraseArea */
	assert_int_equal(call4(0x40004B44, 0x1000, 0x1000, 0, 0), 0);
}

static void a_program_can_erase_write_and_read(void **state)
{
	struct rig r;
	uint32_t bytes;
	uint8_t *mem;

	(void)state;
	rig_download(&r);
	rig_flash_begin(&r, 0, 0, 0x400, 0);
	rig_expect_ok(&r, OP_FLASH_BEGIN, RIG_S);
	mem = chip_flash(r.chip, &bytes);
	memcpy(mem + 0x1234, "\x11\x22\x33\x44\x55", 5);
	assert_int_equal(call(&r, &(struct call){ 0x40004B1C, { 0x1233, DATA, 6, 0 },
						  DATA, DATA + 4 }).peek1, 0x332211FF);
	rig_close(&r);

	rig_download(&r);
	rig_flash_begin(&r, 0, 0, 0x400, 0);
	rig_expect_ok(&r, OP_FLASH_BEGIN, RIG_S);
	rig_load(&r, DATA, (const uint8_t *)"written!", 8);
	assert_int_equal(call(&r, &(struct call){ 0x40004A4C, { 0x20FC, DATA, 8, 0 }, 0, 0 }).low, 0);
	assert_memory_equal((mem = chip_flash(r.chip, &bytes)) + 0x20FC, "written!", 8);
	rig_close(&r);

	rig_download(&r);
	rig_flash_begin(&r, 0, 0, 0x400, 0);
	rig_expect_ok(&r, OP_FLASH_BEGIN, RIG_S);
	mem = chip_flash(r.chip, &bytes);
	memset(mem, 0, bytes);
	assert_int_equal(call(&r, &(struct call){ 0x400049B4, { 1, 0, 0, 0 }, 0, 0 }).low, 0);
	mem = chip_flash(r.chip, &bytes);
	assert_int_equal(mem[0xFFFF] | mem[0x20000], 0);
	assert_int_equal(mem[0x10000] & mem[0x1FFFF], 0xFF);
	rig_close(&r);
}

/* A call that writes so many bytes; true when it returned. */
static bool write_returns(uint32_t addr, uint32_t len)
{
	struct call c = { 0x40004A4C, { addr, 0x3FFE0000, len, 0 }, 0, 0 };
	struct rig r;
	bool returned;

	rig_download(&r);
	rig_flash_begin(&r, 0, 0, 0x400, 0);
	rig_expect_ok(&r, OP_FLASH_BEGIN, RIG_S);
	call_start(&r, &c);
	returned = rig_wait(&r, 38, 4 * RIG_S) >= 38;
	rig_close(&r);
	return returned;
}

static void a_write_of_more_than_255_full_pages_never_ends(void **state)
{
	(void)state;
	assert_true(write_returns(0, 0xFF00));		/* what tools keep to */
	assert_true(write_returns(0, 0x10000));		/* a first piece, 255 pages */
	assert_true(write_returns(0x100F0, 0x1000C));	/* 10, 255 x 100, FC */
	assert_false(write_returns(0, 0x10100));
	assert_false(write_returns(0x100F0, 0x10010));
}

static void an_unknown_read_mode_is_the_slow_one(void **state)
{
	struct result res = call_once((struct call){ 0x400048EC, { 6, 0, 0, 0 }, SPI_CTRL, 0 });

	(void)state;
	assert_int_equal(res.low, 0);
	assert_int_equal(res.peek1, 0x00688313);
}

static void the_flash_pads_are_given_to_the_controller(void **state)
{
	(void)state;
	for (uint32_t pad = 0x6000081C; pad <= 0x60000830; pad += 8) {
		struct result res = call_once((struct call){ 0x40003F58, { 0 }, pad, pad + 4 });

		assert_int_equal(res.peek1, 0x10);
		assert_int_equal(res.peek2, 0x10);
	}
}

static void the_flash_pads_lose_their_pull_ups_only(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	rig_write_reg(&r, 0x6000081C, 0x1FF);
	assert_int_equal(call(&r, &(struct call){ 0x40003F58, { 0 }, 0x6000081C, 0 }).peek1, 0x5F);
	rig_close(&r);
}

static void lock_and_unlock_write_the_status(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	assert_int_equal(call(&r, &(struct call){ 0x400048A8, { 0 }, 0, 0 }).low, 0);
	rig_run(&r, 50 * RIG_MS);	/* they do not wait until it is written */
	assert_int_equal(chip_nor(r.chip)->sr1, 0x1C);
	rig_close(&r);
	rig_download(&r);
	assert_int_equal(call(&r, &(struct call){ 0x400044C0, { 0x3FFFC718, 0, 0, 0 }, 0, 0 }).low, 0);
	assert_int_equal(chip_nor(r.chip)->sr2, 0x02);
	rig_close(&r);
}

/* -- flash chip commands one by one ------------------------------------------ */

#define RECORD 0x3FFFC718u

static void write_enable_and_status_reach_the_flash(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	call(&r, &(struct call){ 0x4000443C, { RECORD, 0, 0, 0 }, 0, 0 });	/* SPI_write_enable */
	assert_int_equal(chip_nor(r.chip)->sr1 & 2, 2);
	rig_close(&r);

	rig_download(&r);
	rig_write_reg(&r, 0x60000200, 1u << 30);				/* WREN */
	call(&r, &(struct call){ 0x40004400, { RECORD, 0x0C, 0, 0 }, 0, 0 });	/* SPI_write_status */
	rig_run(&r, 50 * RIG_MS);
	assert_int_equal(chip_nor(r.chip)->sr1, 0x0C);
	rig_close(&r);
}

static void read_status_waits_until_the_flash_is_idle(void **state)
{
	static const uint32_t waits[] = { 0x400043C8, 0x4000448C };	/* ..., Wait_SPI_Idle */

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rig r;
		uint64_t start;

		rig_download(&r);
		rig_write_reg(&r, 0x60000200, 1u << 30);	/* WREN */
		rig_write_reg(&r, 0x60000200, 1u << 22);	/* chip erase: seconds */
		start = chip_now_us(r.chip);
		call(&r, &(struct call){ waits[i], { RECORD, DATA, 0, 0 }, DATA, 0 });
		assert_true(chip_now_us(r.chip) - start > RIG_S);
		assert_true(chip_flash(r.chip, &(uint32_t){ 0 })[0] == 0xFF);
		rig_close(&r);
	}
}

static void erase_chip_erases_all(void **state)
{
	struct rig r;
	uint32_t bytes;
	uint8_t *mem;

	(void)state;
	rig_download(&r);
	mem = chip_flash(r.chip, &bytes);
	memset(mem, 0, bytes);
	assert_int_equal(call(&r, &(struct call){ 0x40004984, { 0 }, 0, 0 }).low, 0);
	mem = chip_flash(r.chip, &bytes);
	for (uint32_t i = 0; i < bytes; i++)
		assert_true(mem[i] == 0xFF);
	rig_close(&r);
}

static void disable_qmode_keeps_the_low_status_byte(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	rig_write_reg(&r, SPI_CTRL, 0x00688313);		/* two status bytes */
	rig_write_reg(&r, 0x60000200, 1u << 30);
	rig_write_reg(&r, 0x60000210, 0x020C);
	rig_write_reg(&r, 0x60000200, 1u << 26);
	rig_run(&r, 50 * RIG_MS);
	assert_int_equal(chip_nor(r.chip)->sr2, 2);
	call(&r, &(struct call){ 0x40004508, { RECORD, 0, 0, 0 }, 0, 0 });
	rig_run(&r, 50 * RIG_MS);
	assert_int_equal(chip_nor(r.chip)->sr1, 0x0C);
	assert_int_equal(chip_nor(r.chip)->sr2, 0);
	rig_close(&r);
}

/* -- UART ---------------------------------------------------------------------- */

static void uart_functions_say_when_there_is_nothing(void **state)
{
	(void)state;
	assert_int_equal(call4(0x40003B8C, DATA, 0, 0, 0), 1);		/* uart_rx_one_char */
	assert_int_equal(call4(0x40003EC8, 0x3FFFDE28, DATA, 0, 0), 1);	/* uart_rx_readbuff */
	assert_int_equal(call4(0x40003D08, DATA, 100, 1, 0), 0);	/* recv_packet */
	assert_int_equal(call4(0x40003EAC, DATA, 100, 1, 0), 1);	/* RcvMsg */
	assert_int_equal(call4(0x40003230, 0, 0, 0, 0), 0);		/* UartConnCheck */
}

static void the_rate_is_measured_once_until_uart_attach(void **state)
{
	struct call c = { 0x40003924, { 0, 1, 0, 0 }, 0x3FFFDE48, 0 };
	struct rig r;
	struct result res;

	(void)state;
	rig_download(&r);
	res = call(&r, &c);			/* uart_baudrate_detect: as before */
	assert_int_equal(res.low, chip_peek(r.chip, 0x60000014));
	assert_int_equal(res.peek1, 1);
	rig_close(&r);

	rig_download(&r);
	rig_write_reg(&r, 0x3FFFDE48, 0);	/* as uartAttach leaves it */
	res = call(&r, &c);
	assert_int_equal(res.low, 0);		/* too few edges yet */
	assert_int_equal(res.peek1, 1);
	rig_close(&r);
}

/* Starts a call that prints before it returns, or waits. */
static void start(struct rig *r, const struct call *c)
{
	rig_download(r);
	call_start(r, c);
}

static void send_packet_sends_slip(void **state)
{
	static const uint32_t senders[] = { 0x40003C80, 0x40003CF4 };	/* ..., SendMsg */

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct call c = { senders[i], { 0x3FFFA000, 4, 0, 0 }, 0, 0 };
		struct rig r;

		start(&r, &c);		/* the packet buffer holds MEM_END: 00 06 08 00 */
		rig_expect_hex(&r, "c0 00 06 08 00 c0 3c", RIG_S);
		rig_close(&r);
	}
}

static void send_packet_escapes(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	rig_load(&r, DATA, (const uint8_t *)"\xc0\xdb\x41\x00", 4);
	call_start(&r, &(struct call){ 0x40003C80, { DATA, 3, 0, 0 }, 0, 0 });
	rig_expect_hex(&r, "c0 dbdc dbdd 41 c0 3c", RIG_S);
	rig_close(&r);
}

static void a_char_goes_out_and_one_is_waited_for(void **state)
{
	struct rig r;

	(void)state;
	start(&r, &(struct call){ 0x40003B30, { 'X', 0, 0, 0 }, 0, 0 });
	rig_expect_text(&r, "X<00000000 ", RIG_S);
	rig_close(&r);
	start(&r, &(struct call){ 0x40002BE8, { '\n', 0, 0, 0 }, 0, 0 });	/* ets_putc */
	rig_expect_text(&r, "\n<00000000 ", RIG_S);
	rig_close(&r);
	start(&r, &(struct call){ 0x40001DA0, { '\n', 0, 0, 0 }, 0, 0 });	/* ets_write_char */
	rig_expect_text(&r, "\r\n<00000000 ", RIG_S);
	rig_close(&r);
	start(&r, &(struct call){ 0x40003B64, { 0 }, 0, 0 });	/* uart_rx_one_char_block */
	rig_expect_silence(&r, 100 * RIG_MS);
	rig_send(&r, "Z", 1);
	rig_expect_text(&r, "<0000005a ", RIG_S);
	rig_close(&r);
}

/* Both reset the FIFOs, with the end of the loader's answer in them. */
static void the_divisor_can_be_set(void **state)
{
	static const struct { uint32_t fn, div; } sets[] = {
		{ 0x400039D8, 450 }, { 0x40003A14, 694 },	/* uart_div_modify, Uart_Init */
	};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rig r;

		rig_download(&r);
		call_load(&r, &(struct call){ sets[i].fn, { 0, 450, 0, 0 }, 0, 0 });
		rig_request(&r, OP_MEM_END, (const uint32_t[]){ 0, CODE + 36 }, 2);
		rig_run(&r, 100 * RIG_MS);
		assert_int_equal(chip_peek(r.chip, 0x60000014), sets[i].div);
		rig_close(&r);
	}
}

static void printing_can_be_taken_over_and_given_back(void **state)
{
	struct rig r;

	(void)state;
	/* A function of the caller's gets plain LF. */
	start(&r, &(struct call){ 0x4000242C, { 0x40003B30, 0, 0, 0 }, 0, 0 });
	rig_run(&r, 100 * RIG_MS);
	r.rx[r.n] = 0;
	assert_non_null(strstr((char *)r.rx, ">\nuser code done\n"));
	rig_close(&r);
}

static void another_uart_can_be_chosen(void **state)
{
	struct rig r;

	(void)state;
	start(&r, &(struct call){ 0x400038A4, { 1, 0, 0, 0 }, 0, 0 });	/* uart_buff_switch */
	rig_expect_silence(&r, 100 * RIG_MS);			/* it prints on UART1 */
	assert_int_equal(chip_peek(r.chip, 0x3FFFDE50) & 0xFF, 1);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_mode_config_sets_the_bits_seen),
		cmocka_unit_test(flash_mode_config_sets_the_divider_seen),
		cmocka_unit_test(flash_mode_config_sets_the_lanes_only),
		cmocka_unit_test(attach_leaves_the_slow_plain_read_mode),
		cmocka_unit_test(cache_enable_sets_the_registers_seen),
		cmocka_unit_test(cache_enable_forgets_the_window_before),
		cmocka_unit_test(attach_slows_down_a_flash_clock_that_was_undivided),
		cmocka_unit_test(cache_disable_clears_enable_but_not_the_banks),
		cmocka_unit_test(flash_functions_check_the_tables_size),
		cmocka_unit_test(a_program_can_erase_write_and_read),
		cmocka_unit_test(a_write_of_more_than_255_full_pages_never_ends),
		cmocka_unit_test(an_unknown_read_mode_is_the_slow_one),
		cmocka_unit_test(the_flash_pads_are_given_to_the_controller),
		cmocka_unit_test(the_flash_pads_lose_their_pull_ups_only),
		cmocka_unit_test(lock_and_unlock_write_the_status),
		cmocka_unit_test(write_enable_and_status_reach_the_flash),
		cmocka_unit_test(read_status_waits_until_the_flash_is_idle),
		cmocka_unit_test(erase_chip_erases_all),
		cmocka_unit_test(disable_qmode_keeps_the_low_status_byte),
		cmocka_unit_test(uart_functions_say_when_there_is_nothing),
		cmocka_unit_test(the_rate_is_measured_once_until_uart_attach),
		cmocka_unit_test(send_packet_sends_slip),
		cmocka_unit_test(send_packet_escapes),
		cmocka_unit_test(a_char_goes_out_and_one_is_waited_for),
		cmocka_unit_test(the_divisor_can_be_set),
		cmocka_unit_test(printing_can_be_taken_over_and_given_back),
		cmocka_unit_test(another_uart_can_be_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
