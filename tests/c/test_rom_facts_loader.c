/* test_rom_facts_loader.c - the serial loader of the simulated chip judges
 * commands as the real mask ROM was seen to: lengths, checksums, sequence
 * numbers, RAM download.
 */
#include "test_rom_facts.h"

#define READ_MAGIC "c0 00 0a 04 00 00000000 00100040 c0"
#define MAGIC_ANSWER "c0 01 0a 02 00 01c1f0ff 00 00 c0"
#define READ_CLKDIV "c0 00 0a 04 00 00000000 14000060 c0"
#define RAM 0x3FFE8000u
#define IRAM 0x40100000u

static void expect_hung(struct rig *r)
{
	rig_expect_silence(r, 200 * RIG_MS);
	rig_send_hex(r, SYNC_FRAME);
	rig_expect_silence(r, 200 * RIG_MS);
}

/* -- lengths and checksums ------------------------------------------------ */

/* Sends payload words under a length field of our choice. */
static void request_len(struct rig *r, uint8_t op, size_t len, const uint32_t *w, size_t words)
{
	struct frame f;

	frame_open(&f, op, len, 0);
	frame_words(&f, w, words);
	frame_close(&f);
	rig_send(r, f.byte, f.n);
}

static void begin_commands_need_a_length_of_16(void **state)
{
	static const uint32_t w[4] = { 0, 0, 0x400, RAM };

	request_len(*state, OP_MEM_BEGIN, 15, w, 4);
	rig_expect_error(*state, OP_MEM_BEGIN, 5, RIG_S);
	request_len(*state, OP_MEM_BEGIN, 20, w, 4);
	rig_expect_error(*state, OP_MEM_BEGIN, 5, RIG_S);
	request_len(*state, OP_FLASH_BEGIN, 12, w, 4);
	rig_expect_error(*state, OP_FLASH_BEGIN, 5, RIG_S);
	request_len(*state, OP_FLASH_BEGIN, 20, w, 4);
	rig_expect_error(*state, OP_FLASH_BEGIN, 5, RIG_S);
	request_len(*state, OP_MEM_BEGIN, 16, w, 4);
	rig_expect_ok(*state, OP_MEM_BEGIN, RIG_S);
}

static void the_length_field_is_believed_not_compared(void **state)
{
	static const uint32_t w[5] = { 0, 0, 0x400, RAM, 0x55555555 };

	request_len(*state, OP_MEM_BEGIN, 16, w, 5);	/* a word too many */
	rig_expect_ok(*state, OP_MEM_BEGIN, RIG_S);
	request_len(*state, OP_MEM_BEGIN, 16, w, 2);	/* two too few: stale ones serve */
	rig_expect_ok(*state, OP_MEM_BEGIN, RIG_S);
}

static void spi_set_params_needs_a_length_of_24(void **state)
{
	static const uint32_t w[6] = { 0, 0x400000, 0x10000, 0x1000, 0x100, 0xFFFF };

	request_len(*state, OP_SPI_SET_PARAMS, 20, w, 6);
	rig_expect_error(*state, OP_SPI_SET_PARAMS, 5, RIG_S);
	request_len(*state, OP_SPI_SET_PARAMS, 28, w, 6);
	rig_expect_error(*state, OP_SPI_SET_PARAMS, 5, RIG_S);
	request_len(*state, OP_SPI_SET_PARAMS, 24, w, 6);
	rig_expect_ok(*state, OP_SPI_SET_PARAMS, RIG_S);
}

static void spi_set_params_sets_the_record_at_3fffc718(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_read_reg(r, 0x3FFFC714), 0x3FFFC718);
	assert_int_equal(rig_read_reg(r, 0x3FFFC718), 0x001640EF);
	assert_int_equal(rig_read_reg(r, 0x3FFFC71C), 0x00400000);
	assert_int_equal(rig_read_reg(r, 0x3FFFC720), 0x00010000);
	assert_int_equal(rig_read_reg(r, 0x3FFFC724), 0x00001000);
	assert_int_equal(rig_read_reg(r, 0x3FFFC728), 0x00000100);
	assert_int_equal(rig_read_reg(r, 0x3FFFC72C), 0x0000FFFF);
	rig_send_hex(r, "C0 00 0B 18 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00 01 00"
			" 00 10 00 00 00 01 00 00 FF FF 00 00 C0");
	rig_expect_ok(r, OP_SPI_SET_PARAMS, RIG_S);
	assert_int_equal(rig_read_reg(r, 0x3FFFC718), 0);
	assert_int_equal(rig_read_reg(r, 0x3FFFC71C), 0x01000000);
}

static void mem_end_needs_a_length_of_8_at_most(void **state)
{
	static const uint32_t w[3] = { 1, 0, 0 };

	request_len(*state, OP_MEM_END, 12, w, 3);
	rig_expect_error(*state, OP_MEM_END, 5, RIG_S);
	request_len(*state, OP_MEM_END, 4, w, 1);
	rig_expect_ok(*state, OP_MEM_END, RIG_S);
}

static void data_commands_need_a_length_of_1810_at_most(void **state)
{
	static const uint32_t w[5] = { 4, 0, 0, 0, 0 };

	rig_mem_begin(*state, 0x1800, RAM);
	rig_expect_ok(*state, OP_MEM_BEGIN, RIG_S);
	request_len(*state, OP_MEM_DATA, 0x1811, w, 5);
	rig_expect_error(*state, OP_MEM_DATA, 5, RIG_S);
	request_len(*state, OP_FLASH_DATA, 0x1811, w, 5);
	rig_expect_error(*state, OP_FLASH_DATA, 5, RIG_S);
}

static void read_reg_ignores_its_length(void **state)
{
	rig_send_hex(*state, "c0 00 0a ff 7f 00000000 00100040 c0");
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
}

static void write_reg_does_as_many_writes_as_16_goes_into_its_length(void **state)
{
	struct rig *r = *state;
	const uint32_t w[8] = { RAM, 0x11111111, 0xFFFFFFFF, 0, RAM + 4, 0x22222222, 0xFFFFFFFF, 0 };
	const uint32_t zero[8] = { RAM, 0, 0xFFFFFFFF, 0, RAM + 4, 0, 0xFFFFFFFF, 0 };

	rig_request(r, OP_WRITE_REG, w, 8);
	rig_expect_ok(r, OP_WRITE_REG, RIG_S);
	assert_int_equal(rig_read_reg(r, RAM), 0x11111111);
	assert_int_equal(rig_read_reg(r, RAM + 4), 0x22222222);
	request_len(r, OP_WRITE_REG, 15, zero, 8);
	rig_expect_ok(r, OP_WRITE_REG, RIG_S);
	assert_int_equal(rig_read_reg(r, RAM), 0x11111111);
	request_len(r, OP_WRITE_REG, 31, zero, 8);
	rig_expect_ok(r, OP_WRITE_REG, RIG_S);
	assert_int_equal(rig_read_reg(r, RAM), 0);
	assert_int_equal(rig_read_reg(r, RAM + 4), 0x22222222);
}

static void write_reg_changes_only_the_bits_of_its_mask(void **state)
{
	struct rig *r = *state;
	const uint32_t w[4] = { RAM, 0x12345678, 0x00FFFF00, 0 };

	rig_write_reg(r, RAM, 0xAABBCCDD);
	rig_request(r, OP_WRITE_REG, w, 4);
	rig_expect_ok(r, OP_WRITE_REG, RIG_S);
	assert_int_equal(rig_read_reg(r, RAM), 0xAA3456DD);
}

static uint64_t write_reg_time(struct rig *r, uint32_t delay)
{
	const uint32_t w[4] = { RAM, 0, 0xFFFFFFFF, delay };
	uint64_t us;

	rig_request(r, OP_WRITE_REG, w, 4);
	us = rig_time_answer(r, RIG_S);
	rig_expect_ok(r, OP_WRITE_REG, RIG_S);
	return us;
}

static void write_reg_delays_by_16_bits_stretched_by_80_52(void **state)
{
	assert_in_range(write_reg_time(*state, 65535), 100000, 103000);
	assert_in_range(write_reg_time(*state, 0x10000), 0, 1000);
	assert_in_range(write_reg_time(*state, 0x10000 + 10000), 15300, 16500);
}

static void write_reg_delays_before_it_writes(void **state)
{
	struct rig *r = *state;
	const uint32_t reset[4] = { 0x60000700, 0x80000000, 0x80000000, 40000 };

	rig_request(r, OP_WRITE_REG, reset, 4);
	rig_expect_silence(r, 55 * RIG_MS);
	assert_true(rig_wait(r, 1, 50 * RIG_MS) > 0);
}

static void write_reg_to_the_divisor_changes_the_rate_of_its_own_answer(void **state)
{
	struct rig *r = *state;

	rig_send_hex(r, "c0 00 09 10 00 00000000 14000060 c2010000 ffffffff 00000000 c0");
	rig_expect_hex(r, "c0 01 09 02 00 07071220 00 00 c0", RIG_S);	/* 450, hardly another rate */
	rig_send_hex(r, "c0 00 09 10 00 00000000 14000060 e1000000 ffffffff e8030000 c0");
	while (!chip_wire_idle(r->chip))
		rig_run(r, 10);
	chip_set_host_baud(r->chip, 230400);
	rig_expect_hex(r, "c0 01 09 02 00 07071220 00 00 c0", RIG_S);
	rig_send_hex(r, READ_CLKDIV);
	rig_expect_hex(r, "c0 01 0a 02 00 e1000000 00 00 c0", RIG_S);
}

static void a_block_size_of_1800_is_the_most(void **state)
{
	rig_mem_begin(*state, 0x1800, RAM);
	rig_expect_ok(*state, OP_MEM_BEGIN, RIG_S);
	rig_mem_begin(*state, 0x1801, RAM);
	rig_expect_error(*state, OP_MEM_BEGIN, 5, RIG_S);
	rig_flash_begin(*state, 0, 0, 0x1801, 0);
	rig_expect_error(*state, OP_FLASH_BEGIN, 5, RIG_S);
}

static void a_data_block_may_be_shorter_than_announced_but_not_longer(void **state)
{
	static const uint8_t data[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	rig_mem_begin(*state, 4, RAM);
	rig_expect_ok(*state, OP_MEM_BEGIN, RIG_S);
	rig_block(*state, OP_MEM_DATA, 0, data, 8, block_sum(data, 8));
	rig_expect_error(*state, OP_MEM_DATA, 5, RIG_S);
	rig_block(*state, OP_MEM_DATA, 0, data, 1, block_sum(data, 1));
	rig_expect_ok(*state, OP_MEM_DATA, RIG_S);
	rig_block(*state, OP_MEM_DATA, 1, data, 4, block_sum(data, 4));
	rig_expect_ok(*state, OP_MEM_DATA, RIG_S);
}

static void only_the_low_byte_of_the_checksum_counts(void **state)
{
	static const uint8_t data[4] = { 0xFF, 0xFF, 0xFF, 0xFF };

	rig_mem_begin(*state, 0x400, RAM);
	rig_expect_ok(*state, OP_MEM_BEGIN, RIG_S);
	rig_block(*state, OP_MEM_DATA, 0, data, 4, 0xABCDEFEF);
	rig_expect_ok(*state, OP_MEM_DATA, RIG_S);
	rig_block(*state, OP_MEM_DATA, 1, data, 4, 0xABCDEFEE);
	rig_expect_error(*state, OP_MEM_DATA, 7, RIG_S);
}

static void the_data_length_is_the_first_payload_word(void **state)
{
	struct rig *r = *state;
	static const uint32_t w[6] = { 4, 0, 0, 0, 0x04030201, 0x88888888 };
	struct frame f;

	rig_write_reg(r, RAM + 4, 0);
	rig_mem_begin(r, 0x400, RAM);
	rig_expect_ok(r, OP_MEM_BEGIN, RIG_S);
	frame_open(&f, OP_MEM_DATA, 24, 0xEF ^ 1 ^ 2 ^ 3 ^ 4);
	frame_words(&f, w, 6);
	frame_close(&f);
	rig_send(r, f.byte, f.n);
	rig_expect_ok(r, OP_MEM_DATA, RIG_S);
	assert_int_equal(rig_read_reg(r, RAM), 0x04030201);
	assert_int_equal(rig_read_reg(r, RAM + 4), 0);
}

static void checksum_vectors_hold(void **state)
{
	struct rig *r = *state;
	static uint8_t ramp[256], ones[1024];

	for (int i = 0; i < 256; i++)
		ramp[i] = (uint8_t)i;
	memset(ones, 0xFF, sizeof ones);
	rig_mem_begin(r, 0x400, RAM);
	rig_expect_ok(r, OP_MEM_BEGIN, RIG_S);
	rig_block(r, OP_MEM_DATA, 0, (const uint8_t *)"", 0, 0xEF);
	rig_expect_ok(r, OP_MEM_DATA, RIG_S);
	rig_block(r, OP_MEM_DATA, 1, (const uint8_t *)"123456789", 9, 0xDE);
	rig_expect_ok(r, OP_MEM_DATA, RIG_S);
	rig_block(r, OP_MEM_DATA, 2, ones, 1024, 0xEF);
	rig_expect_ok(r, OP_MEM_DATA, RIG_S);
	rig_block(r, OP_MEM_DATA, 3, ramp, 256, 0xEF);
	rig_expect_ok(r, OP_MEM_DATA, RIG_S);
}

static void mem_data_of_3_bytes_to_instruction_ram_hangs(void **state)
{
	static const uint8_t data[3] = { 1, 2, 3 };

	rig_mem_begin(*state, 0x400, IRAM);
	rig_expect_ok(*state, OP_MEM_BEGIN, RIG_S);
	rig_block(*state, OP_MEM_DATA, 0, data, 3, block_sum(data, 3));
	expect_hung(*state);
}

static void read_reg_of_an_unaligned_address_hangs(void **state)
{
	rig_send_hex(*state, "c0 00 0a 04 00 00000000 01100040 c0");
	expect_hung(*state);
}

static void read_reg_of_address_0_hangs(void **state)
{
	rig_send_hex(*state, "c0 00 0a 04 00 00000000 00000000 c0");
	expect_hung(*state);
}

static void write_reg_of_address_0_hangs(void **state)
{
	rig_send_hex(*state, "c0 00 09 10 00 00000000 00000000 00000000 ffffffff 00000000 c0");
	expect_hung(*state);
}

static void write_reg_of_an_unaligned_address_hangs(void **state)
{
	rig_send_hex(*state, "c0 00 09 10 00 00000000 0280fe3f 00000000 ffffffff 00000000 c0");
	expect_hung(*state);
}

/* -- sequence numbers ------------------------------------------------------ */

static void a_wrong_sequence_number_is_an_error_and_changes_nothing(void **state)
{
	static const uint8_t data[4] = { 1, 2, 3, 4 };
	uint8_t sum = block_sum(data, 4);

	rig_mem_begin(*state, 0x400, RAM);
	rig_expect_ok(*state, OP_MEM_BEGIN, RIG_S);
	rig_block(*state, OP_MEM_DATA, 1, data, 4, sum);
	rig_expect_error(*state, OP_MEM_DATA, 5, RIG_S);
	rig_block(*state, OP_MEM_DATA, 0, data, 4, sum);
	rig_expect_ok(*state, OP_MEM_DATA, RIG_S);
}

static void after_a_bad_checksum_only_the_next_sequence_number_is_taken(void **state)
{
	struct rig *r = *state;
	static const uint8_t data[4] = { 1, 2, 3, 4 };
	uint8_t sum = block_sum(data, 4);

	rig_mem_begin(r, 0x400, RAM);
	rig_expect_ok(r, OP_MEM_BEGIN, RIG_S);
	rig_write_reg(r, RAM, 0);
	rig_block(r, OP_MEM_DATA, 0, data, 4, sum ^ 1);
	rig_expect_error(r, OP_MEM_DATA, 7, RIG_S);
	rig_block(r, OP_MEM_DATA, 0, data, 4, sum);
	rig_expect_error(r, OP_MEM_DATA, 5, RIG_S);
	rig_block(r, OP_MEM_DATA, 1, data, 4, sum);
	rig_expect_ok(r, OP_MEM_DATA, RIG_S);
	assert_int_equal(rig_read_reg(r, RAM), 0x04030201);	/* where the bad one belonged */
}

static void data_of_one_kind_continue_what_a_begin_of_the_other_announced(void **state)
{
	static const uint8_t data[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct rig *r = *state;

	rig_mem_begin(r, 0x400, RAM);
	rig_expect_ok(r, OP_MEM_BEGIN, RIG_S);
	/* Written "to flash" at an address beyond it: nothing is, but all counts. */
	rig_block(r, OP_FLASH_DATA, 0, data, 8, block_sum(data, 8));
	rig_expect_ok(r, OP_FLASH_DATA, RIG_S);
	rig_block(r, OP_MEM_DATA, 1, data, 8, block_sum(data, 8));
	rig_expect_ok(r, OP_MEM_DATA, RIG_S);
	assert_int_equal(rig_read_reg(r, RAM + 8), 0x04030201);
}

static void data_without_a_begin_are_an_error(void **state)
{
	static const uint8_t data[4];

	rig_block(*state, OP_FLASH_DATA, 0, data, 4, block_sum(data, 4));
	rig_expect_error(*state, OP_FLASH_DATA, 5, RIG_S);
	rig_block(*state, OP_MEM_DATA, 0, data, 4, block_sum(data, 4));
	rig_expect_error(*state, OP_MEM_DATA, 5, RIG_S);
}

static void mem_begin_starts_again_at_sequence_number_0(void **state)
{
	static const uint8_t data[4] = { 1, 2, 3, 4 };

	rig_mem_begin(*state, 0x400, RAM);
	rig_expect_ok(*state, OP_MEM_BEGIN, RIG_S);
	rig_block(*state, OP_MEM_DATA, 0, data, 4, 0);
	rig_expect_error(*state, OP_MEM_DATA, 7, RIG_S);
	rig_mem_begin(*state, 0x400, RAM);
	rig_expect_ok(*state, OP_MEM_BEGIN, RIG_S);
	rig_block(*state, OP_MEM_DATA, 0, data, 4, block_sum(data, 4));
	rig_expect_ok(*state, OP_MEM_DATA, RIG_S);
}

/* -- RAM download ---------------------------------------------------------- */

/* ret */
static const uint8_t code_return[4] = { 0x0d, 0xf0, 0, 0 };

static void code_that_returns_ends_in_user_code_done(void **state)
{
	struct rig *r = *state;

	rig_load(r, IRAM, code_return, 4);
	rig_enter(r, IRAM);
	rig_expect_text(r, "user code done\r\n", RIG_S);
	expect_hung(r);
}

static void mem_end_with_a_flag_stays_in_the_loader(void **state)
{
	struct rig *r = *state;
	static const uint32_t w[2] = { 1, IRAM };

	rig_load(r, IRAM, code_return, 4);
	rig_request(r, OP_MEM_END, w, 2);
	rig_expect_ok(r, OP_MEM_END, RIG_S);
	rig_expect_silence(r, 50 * RIG_MS);
	rig_send_hex(r, READ_MAGIC);
	rig_expect_hex(r, MAGIC_ANSWER, RIG_S);
}

static void only_the_low_byte_of_the_flag_counts(void **state)
{
	struct rig *r = *state;
	static const uint32_t w[2] = { 0x100, IRAM };

	rig_load(r, IRAM, code_return, 4);
	rig_request(r, OP_MEM_END, w, 2);
	rig_expect_ok(r, OP_MEM_END, RIG_S);
	rig_expect_text(r, "user code done\r\n", RIG_S);
}

static void mem_end_checks_no_counts(void **state)
{
	struct rig *r = *state;
	static const uint32_t begin[4] = { 0x4000, 3, 0x1800, IRAM };

	rig_load(r, IRAM, code_return, 4);
	rig_request(r, OP_MEM_BEGIN, begin, 4);
	rig_expect_ok(r, OP_MEM_BEGIN, RIG_S);
	rig_enter(r, IRAM);
	rig_expect_text(r, "user code done\r\n", RIG_S);
}

static void mem_end_stores_the_entry_at_3fffdcd0(void **state)
{
	struct rig *r = *state;
	static const uint32_t w[2] = { 1, 0x12345678 };

	rig_request(r, OP_MEM_END, w, 2);
	rig_expect_ok(r, OP_MEM_END, RIG_S);
	assert_int_equal(rig_read_reg(r, 0x3FFFDCD0), 0x12345678);
}

/* Prints a0, a1, a2 and PS as the code finds them, in hex. */
static const uint8_t code_registers[] = {
	0x00, 0x80, 0xfe, 0x3f,		/* .word 0x3FFE8000: the format */
	0xcc, 0x24, 0x00, 0x40,		/* .word ets_printf */
	0x00, 0xc0, 0x20,		/* mov  a12, a0 */
	0x20, 0x52, 0x20,		/* mov  a5, a2 */
	0x00, 0x30, 0x20,		/* mov  a3, a0 */
	0x10, 0x41, 0x20,		/* mov  a4, a1 */
	0x60, 0xe6, 0x03,		/* rsr  a6, ps */
	0x21, 0xfa, 0xff,		/* l32r a2, format */
	0x01, 0xfa, 0xff,		/* l32r a0, ets_printf */
	0xc0, 0x00, 0x00,		/* callx0 a0 */
	0xa0, 0x0c, 0x00,		/* jx   a12 */
	0x00,
};

static void code_is_entered_with_the_registers_of_the_rom(void **state)
{
	struct rig *r = *state;
	static const uint8_t format[] = "%08x %08x %08x %08x\n\0\0\0";

	rig_load(r, 0x3FFE8000, format, 24);
	rig_load(r, IRAM, code_registers, sizeof code_registers);
	rig_enter(r, IRAM + 8);
	rig_expect_text(r, "40001100 3ffffff0 40100008 00000020\r\nuser code done\r\n", RIG_S);
}

static void the_packet_buffer_is_at_3fffa000(void **state)
{
	rig_send_hex(*state, "c0 00 0a 04 00 00000000 00a0ff3f c0");
	rig_expect_hex(*state, "c0 01 0a 02 00 000a0400 00 00 c0", RIG_S);
}

static void data_words_arrive_in_memory_as_sent(void **state)
{
	struct rig *r = *state;

	rig_send_hex(r, "C0 00 05 10 00 00 00 00 00 08 00 00 00 01 00 00 00 00 18 00 00"
			" 00 00 10 40 C0");
	rig_expect_ok(r, OP_MEM_BEGIN, RIG_S);
	rig_send_hex(r, "C0 00 07 14 00 0B 00 00 00 04 00 00 00 00 00 00 00 00 00 00 00"
			" 00 00 00 00 DB DC DB DD 00 FF C0");
	rig_expect_ok(r, OP_MEM_DATA, RIG_S);
	assert_int_equal(rig_read_reg(r, IRAM), 0xFF00DBC0);
}

/* A zero word is an illegal instruction. */
static void a_fatal_exception_of_downloaded_code_is_reported(void **state)
{
	struct rig *r = *state;
	static const uint8_t zeros[16] = { 0 };

	rig_load(r, IRAM, zeros, 16);
	rig_enter(r, IRAM);
	rig_expect_text(r, "Fatal exception (0):", RIG_S);
	assert_true(rig_wait(r, 20, RIG_S) >= 20);
	assert_non_null(strstr((char *)r->rx, "epc1=0x40100000"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(begin_commands_need_a_length_of_16),
		T(the_length_field_is_believed_not_compared),
		T(spi_set_params_needs_a_length_of_24),
		T(spi_set_params_sets_the_record_at_3fffc718),
		T(mem_end_needs_a_length_of_8_at_most),
		T(data_commands_need_a_length_of_1810_at_most),
		T(read_reg_ignores_its_length),
		T(write_reg_does_as_many_writes_as_16_goes_into_its_length),
		T(write_reg_changes_only_the_bits_of_its_mask),
		T(write_reg_delays_by_16_bits_stretched_by_80_52),
		T(write_reg_delays_before_it_writes),
		T(write_reg_to_the_divisor_changes_the_rate_of_its_own_answer),
		T(a_block_size_of_1800_is_the_most),
		T(a_data_block_may_be_shorter_than_announced_but_not_longer),
		T(only_the_low_byte_of_the_checksum_counts),
		T(the_data_length_is_the_first_payload_word),
		T(checksum_vectors_hold),
		T(mem_data_of_3_bytes_to_instruction_ram_hangs),
		T(read_reg_of_an_unaligned_address_hangs),
		T(read_reg_of_address_0_hangs),
		T(write_reg_of_address_0_hangs),
		T(write_reg_of_an_unaligned_address_hangs),
		T(a_wrong_sequence_number_is_an_error_and_changes_nothing),
		T(after_a_bad_checksum_only_the_next_sequence_number_is_taken),
		T(data_of_one_kind_continue_what_a_begin_of_the_other_announced),
		T(data_without_a_begin_are_an_error),
		T(mem_begin_starts_again_at_sequence_number_0),
		T(code_that_returns_ends_in_user_code_done),
		T(mem_end_with_a_flag_stays_in_the_loader),
		T(only_the_low_byte_of_the_flag_counts),
		T(mem_end_checks_no_counts),
		T(mem_end_stores_the_entry_at_3fffdcd0),
		T(code_is_entered_with_the_registers_of_the_rom),
		T(the_packet_buffer_is_at_3fffa000),
		T(data_words_arrive_in_memory_as_sent),
		T(a_fatal_exception_of_downloaded_code_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
