/* test_rom_facts_frame.c - the serial loader of the simulated chip frames as
 * the real mask ROM was seen to: what it takes for a packet, and every field
 * of its answers.
 */
#include "test_rom_facts.h"

#define READ_MAGIC "c0 00 0a 04 00 00000000 00100040 c0"
#define MAGIC_ANSWER "c0 01 0a 02 00 01c1f0ff 00 00 c0"
#define READ_CLKDIV "c0 00 0a 04 00 00000000 14000060 c0"
#define RAM 0x3FFE8000u

/* -- framing ------------------------------------------------------------- */

static void read_reg_is_answered_with_ten_bytes(void **state)
{
	rig_send_hex(*state, READ_MAGIC);
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
	rig_expect_silence(*state, 20 * RIG_MS);
}

static void efuse_words_hold_the_mac(void **state)
{
	struct chip_config cfg = rig_config(STRAP_UART);
	struct rig *r = *state, other;
	static const uint8_t mac[6] = { 0x18, 0xFE, 0x34, 0xA5, 0xB6, 0x9C };

	(void)r;
	memcpy(cfg.mac, mac, sizeof mac);
	rig_open(&other, &cfg);
	rig_connect_at(&other, 115200);
	rig_send_hex(&other, "c0 00 0a 04 00 00000000 5000f03f c0");
	assert_int_equal(rig_answer(&other, RIG_S).value >> 24, 0x9C);
	assert_int_equal(rig_read_reg(&other, 0x3FF00054) & 0xFFFF, 0xA5B6);
	rig_close(&other);
}

static void sync_is_answered_eight_times_with_its_payload(void **state)
{
	rig_send_hex(*state, SYNC_FRAME);
	rig_expect_sync(*state);
	rig_expect_silence(*state, 50 * RIG_MS);
}

static void the_value_of_a_sync_answer_is_its_first_payload_word(void **state)
{
	rig_send_hex(*state, "c0 00 08 04 00 00000000 11223344 c0");
	for (int i = 0; i < 8; i++)
		rig_expect_hex(*state, "c0 01 08 02 00 11223344 00 00 c0", RIG_S);
	rig_expect_silence(*state, 50 * RIG_MS);
}

/* 8 x 12 bytes of ten bits, hardly a gap between them. */
static void answering_sync_takes_8_3_ms_at_115200(void **state)
{
	struct rig *r = *state;
	uint64_t start;

	rig_send_hex(r, SYNC_FRAME);
	rig_time_answer(r, RIG_S);
	start = chip_now_us(r->chip);
	rig_wait(r, 96, RIG_S);
	assert_in_range(chip_now_us(r->chip) - start, 8200, 8600);
	rig_expect_sync(r);
}

static void commands_are_accepted_while_sync_is_being_answered(void **state)
{
	rig_send_hex(*state, SYNC_FRAME);
	rig_send_hex(*state, READ_MAGIC);
	rig_expect_sync(*state);
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
}

static void of_two_frames_that_share_an_end_the_second_is_lost(void **state)
{
	rig_send_hex(*state, "c0 00 0a 04 00 00000000 00100040 c0"
			     "   00 0a 04 00 00000000 14000060 c0");
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
	rig_expect_silence(*state, 50 * RIG_MS);
	/* The last c0 opened a frame; the next one's opening is an extra one. */
	rig_send_hex(*state, READ_MAGIC);
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
}

static void bytes_before_the_opening_end_are_skipped(void **state)
{
	rig_send_hex(*state, "00 0a 55 ff db 01" READ_MAGIC);
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
}

static void extra_ends_between_frames_are_ignored(void **state)
{
	rig_send_hex(*state, "c0c0c0" READ_MAGIC "c0c0c0c0" READ_MAGIC);
	rig_expect_hex(*state, MAGIC_ANSWER MAGIC_ANSWER, RIG_S);
	rig_expect_silence(*state, 50 * RIG_MS);
}

static void a_frame_cut_short_is_run_and_the_next_one_is_lost(void **state)
{
	rig_send_hex(*state, READ_MAGIC);
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
	rig_send_hex(*state, "c0 00 0a 04 00 00000000 0010");	/* the rest is stale */
	rig_expect_silence(*state, 2 * RIG_S);			/* no time-out inside a frame */
	rig_send_hex(*state, READ_CLKDIV);			/* its opening ends the other */
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
	rig_expect_silence(*state, 50 * RIG_MS);
	rig_send_hex(*state, READ_CLKDIV);
	assert_in_range(rig_answer(*state, RIG_S).value, 440, 460);
}

static void a_lone_end_before_a_frame_saves_it_but_runs_the_cut_one(void **state)
{
	rig_send_hex(*state, READ_MAGIC);
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
	rig_send_hex(*state, "c0 00 0a 04 00 00000000 0010");
	rig_send_hex(*state, "c0" READ_CLKDIV);
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
	assert_in_range(rig_answer(*state, RIG_S).value, 440, 460);
}

static void what_a_short_packet_lacks_is_taken_from_the_one_before(void **state)
{
	rig_send_hex(*state, READ_MAGIC);
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
	rig_send_hex(*state, "c0 00 c0");
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
	rig_send_hex(*state, "c0 00 0a c0");
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
}

static void packets_are_cut_at_8192_bytes_without_an_error(void **state)
{
	struct rig *r = *state;
	const uint32_t addr = 0x40001000;
	uint32_t behind = rig_read_reg(r, 0x3FFFC000);
	static struct frame f;

	frame_open(&f, OP_READ_REG, 4, 0);
	frame_words(&f, &addr, 1);
	for (int i = 12; i < 8192; i++)
		frame_put(&f, 0x11);
	for (int i = 0; i < 1000; i++)
		frame_put(&f, 0x22);
	frame_close(&f);
	rig_send(r, f.byte, f.n);
	rig_expect_hex(r, MAGIC_ANSWER, 2 * RIG_S);
	assert_int_equal(rig_read_reg(r, 0x3FFFBFFC), 0x11111111);
	assert_int_equal(rig_read_reg(r, 0x3FFFC000), behind);
}

static void an_unknown_escape_yields_its_second_byte(void **state)
{
	rig_send_hex(*state, "c0 00 0a 04 00 00000000 db00 10 00 db40 c0");
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
}

static void answers_are_escaped(void **state)
{
	struct rig *r = *state;

	rig_write_reg(r, RAM, 0x00DBC000);
	rig_send_hex(r, "c0 00 0a 04 00 00000000 0080fe3f c0");
	rig_expect_hex(r, "c0 01 0a 02 00 00 dbdc dbdd 00 00 00 c0", RIG_S);
}

/* -- answer fields -------------------------------------------------------- */

static void with_status_0_the_error_byte_is_that_of_the_last_failure(void **state)
{
	struct rig *r = *state;
	static const uint8_t data[4] = { 1, 2, 3, 4 };
	struct answer a;

	rig_mem_begin(r, 0x1801, RAM);
	rig_expect_error(r, OP_MEM_BEGIN, 5, RIG_S);
	rig_mem_begin(r, 0x400, RAM);
	rig_expect_ok(r, OP_MEM_BEGIN, RIG_S);
	rig_block(r, OP_MEM_DATA, 0, data, sizeof data, block_sum(data, sizeof data));
	a = rig_answer(r, RIG_S);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.error, 5);
}

static void a_command_that_cannot_fail_clears_the_error_byte(void **state)
{
	static const uint32_t begin[4] = { 0, 0, 0x400, 0x3FFE8000 }, read[1] = { 0x40001000 };

	rig_request(*state, OP_MEM_BEGIN, begin, 3);		/* too short */
	rig_expect_error(*state, OP_MEM_BEGIN, 5, RIG_S);
	rig_request(*state, OP_MEM_BEGIN, begin, 4);
	assert_int_equal(rig_answer(*state, RIG_S).error, 5);
	rig_request(*state, OP_READ_REG, read, 1);
	assert_int_equal(rig_answer(*state, RIG_S).error, 0);
	rig_request(*state, OP_MEM_BEGIN, begin, 4);
	assert_int_equal(rig_answer(*state, RIG_S).error, 0);
}

static void value_is_only_set_by_read_reg_and_sync(void **state)
{
	struct rig *r = *state;

	rig_mem_begin(r, 0x400, RAM);
	rig_expect_hex(r, "c0 01 05 02 00 07071220 00 00 c0", RIG_S);
	rig_send_hex(r, READ_MAGIC);
	rig_expect_hex(r, MAGIC_ANSWER, RIG_S);
	rig_mem_begin(r, 0x400, RAM);
	rig_expect_hex(r, "c0 01 05 02 00 01c1f0ff 00 00 c0", RIG_S);
}

static void an_unknown_op_is_answered_with_the_last_valid_one(void **state)
{
	static const char *const unknown[] = { "00", "01", "0c", "0f", "13", "14", "d0", "ff" };
	char frame[64];

	rig_send_hex(*state, READ_MAGIC);
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
		snprintf(frame, sizeof frame, "c0 00 %s 00 00 00000000 c0", unknown[i]);
		rig_send_hex(*state, frame);
		rig_expect_hex(*state, "c0 01 0a 02 00 01c1f0ff 01 05 c0", RIG_S);
	}
}

static void an_unknown_op_after_sync_is_answered_eight_times(void **state)
{
	rig_send_hex(*state, "c0 00 13 00 00 00000000 c0");
	for (int i = 0; i < 8; i++)
		rig_expect_hex(*state, "c0 01 08 02 00 07071220 01 05 c0", RIG_S);
	rig_expect_silence(*state, 50 * RIG_MS);
}

static void an_unknown_op_before_any_valid_one_has_op_0(void **state)
{
	struct chip_config cfg = rig_config(STRAP_UART);
	struct rig r;

	(void)state;
	rig_open(&r, &cfg);
	rig_run(&r, 20 * RIG_MS);
	rig_drop(&r);
	rig_send_hex(&r, "5555555555555555");
	rig_run(&r, 10 * RIG_MS);
	rig_send_hex(&r, "c0 00 14 00 00 00000000 c0");
	rig_expect_hex(&r, "c0 01 00 02 00 00000000 01 05 c0", RIG_S);
	rig_close(&r);
}

static void a_direction_other_than_0_is_an_error(void **state)
{
	rig_send_hex(*state, READ_MAGIC);
	rig_expect_hex(*state, MAGIC_ANSWER, RIG_S);
	rig_send_hex(*state, "c0 01 05 10 00 00000000 c0");
	rig_expect_hex(*state, "c0 01 0a 02 00 01c1f0ff 01 05 c0", RIG_S);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(read_reg_is_answered_with_ten_bytes),
		T(efuse_words_hold_the_mac),
		T(sync_is_answered_eight_times_with_its_payload),
		T(the_value_of_a_sync_answer_is_its_first_payload_word),
		T(answering_sync_takes_8_3_ms_at_115200),
		T(commands_are_accepted_while_sync_is_being_answered),
		T(of_two_frames_that_share_an_end_the_second_is_lost),
		T(bytes_before_the_opening_end_are_skipped),
		T(extra_ends_between_frames_are_ignored),
		T(a_frame_cut_short_is_run_and_the_next_one_is_lost),
		T(a_lone_end_before_a_frame_saves_it_but_runs_the_cut_one),
		T(what_a_short_packet_lacks_is_taken_from_the_one_before),
		T(packets_are_cut_at_8192_bytes_without_an_error),
		T(an_unknown_escape_yields_its_second_byte),
		T(answers_are_escaped),
		T(with_status_0_the_error_byte_is_that_of_the_last_failure),
		T(a_command_that_cannot_fail_clears_the_error_byte),
		T(value_is_only_set_by_read_reg_and_sync),
		T(an_unknown_op_is_answered_with_the_last_valid_one),
		T(an_unknown_op_after_sync_is_answered_eight_times),
		T(an_unknown_op_before_any_valid_one_has_op_0),
		T(a_direction_other_than_0_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
