#include "fake_rom.h"

#include "../../src/loader/rom.h"
#include "../../src/loader/trace.h"

enum { LINES_MAX = 64 };

static struct trace trace;
static char lines[LINES_MAX][TRACE_LINE_MAX];
static size_t n_lines;

static void collect(void *ctx, const char *line)
{
	assert_ptr_equal(ctx, lines);
	assert_true(strlen(line) < TRACE_LINE_MAX);
	for (const char *p = line; *p; p++)
		assert_in_range(*p, ' ', '~');
	if (n_lines < LINES_MAX)
		strcpy(lines[n_lines], line);
	n_lines++;
}

static void start(void)
{
	n_lines = 0;
	trace_init(&trace, collect, lines);
}

static void event(enum port_event_kind kind, uint64_t us, const void *data, size_t len)
{
	struct port_event ev = { kind, us, data, len, 0, 0 };

	trace_event(&trace, &ev);
}

static void numbers(enum port_event_kind kind, uint64_t us, int a, int b)
{
	struct port_event ev = { kind, us, NULL, 0, a, b };

	trace_event(&trace, &ev);
}

static void a_conversation_reads_as_in_the_header(void **state)
{
	static const uint8_t ask[] = { 0xC0, 0, 0x0A, 4, 0, 0, 0, 0, 0, 0x14, 0, 0, 0x60, 0xC0 };
	static const uint8_t reply[] = { 0xC0, 1, 0x0A, 2, 0, 0xC3, 1, 0, 0, 0, 0, 0xC0 };

	(void)state;
	start();
	numbers(PORT_EV_LINES, 7000000, 0, 1);
	event(PORT_EV_TX, 7150125, ask, sizeof ask);
	event(PORT_EV_RX, 7152250, reply, sizeof reply);
	assert_int_equal(n_lines, 5);
	assert_string_equal(lines[0], "       0.000 lines dtr=0 rts=1");
	assert_string_equal(lines[1], "     150.125 tx 14: c0 00 0a 04 00 00 00 00 00 14 00 00 60 c0");
	assert_string_equal(lines[2], "     150.125 -> READ_REG addr=0x60000014");
	assert_string_equal(lines[3], "     152.250 rx 12: c0 01 0a 02 00 c3 01 00 00 00 00 c0");
	assert_string_equal(lines[4], "     152.250 <- READ_REG ok value=0x000001c3");
}

static void the_other_events_have_their_words(void **state)
{
	(void)state;
	start();
	numbers(PORT_EV_LINES, 0, 1, PORT_LINE_KEEP);
	numbers(PORT_EV_BAUD, 0, 921600, 0);
	numbers(PORT_EV_BREAK, 0, 1, 0);
	numbers(PORT_EV_BREAK, 0, 0, 0);
	numbers(PORT_EV_FLUSH, 1234567, 0, 0);
	assert_int_equal(n_lines, 5);
	assert_string_equal(lines[0], "       0.000 lines dtr=1 rts=keep");
	assert_string_equal(lines[1], "       0.000 baud 921600");
	assert_string_equal(lines[2], "       0.000 break on");
	assert_string_equal(lines[3], "       0.000 break off");
	assert_string_equal(lines[4], "    1234.567 flush");
}

static void a_reply_in_pieces_is_named_where_it_ends(void **state)
{
	static const uint8_t reply[] = { 0xC0, 1, 3, 2, 0, 0, 0, 0, 0, 1, 7, 0xC0 };

	(void)state;
	start();
	event(PORT_EV_RX, 10, reply, 5);
	assert_int_equal(n_lines, 1);
	event(PORT_EV_RX, 20, reply + 5, 7);
	assert_int_equal(n_lines, 3);
	assert_non_null(strstr(lines[2], "<- FLASH_DATA refused: checksum error (07)"));
}

static void long_data_are_abbreviated(void **state)
{
	static uint8_t block[1000];
	struct fake_rom *r = from_new(1 << 20);
	static struct rom rom;

	(void)state;
	memset(block, 0xAB, sizeof block);
	rom_init(&rom, &r->fp->port);
	assert_int_equal(rom_mem_begin(&rom, 1000, 1, 0x400, 0x40100000), 0);
	start();
	r->fp->port.trace = trace_event;
	r->fp->port.trace_ctx = &trace;
	assert_int_equal(rom_mem_data(&rom, 0, block, sizeof block), 0);
	assert_int_equal(n_lines, 4);
	assert_non_null(strstr(lines[0], "tx 1026: c0 00 07 f8 03"));
	assert_non_null(strstr(lines[0], "... 994 more"));
	assert_non_null(strstr(lines[1], "-> MEM_DATA length=0x3e8 seq=0x0 zero=0x0 zero=0x0 + ab"));
	assert_non_null(strstr(lines[1], "... 968 more"));
	assert_non_null(strstr(lines[3], "<- MEM_DATA ok"));
	from_free(r);
}

static void what_is_no_packet_is_shown_as_hex(void **state)
{
	static const uint8_t ohai[] = { 0xC0, 0x4F, 0x48, 0x41, 0x49, 0xC0 };
	static const uint8_t bad[] = { 0xC0, 1, 0xDB, 1 };
	static const uint8_t odd_size[] = { 0xC0, 0, 0x0A, 9, 0, 0, 0, 0, 0, 0xC0 };
	static const uint8_t short_one[] = { 0xC0, 0, 0x05, 2, 0, 0, 0, 0, 0, 1, 2, 0xC0 };

	(void)state;
	start();
	event(PORT_EV_RX, 0, ohai, sizeof ohai);
	assert_string_equal(lines[1], "       0.000 <- frame of 4: 4f 48 41 49");
	event(PORT_EV_RX, 0, bad, sizeof bad);
	assert_string_equal(lines[3], "       0.000 <- frame with a bad escape");
	event(PORT_EV_TX, 0, odd_size, sizeof odd_size);
	assert_non_null(strstr(lines[5], "-> frame of 8:"));
	event(PORT_EV_TX, 0, short_one, sizeof short_one);
	assert_string_equal(lines[7], "       0.000 -> MEM_BEGIN + 01 02");
}

static bool describe(void *ctx, bool to_chip, const uint8_t *frame, size_t len, char *text,
		     size_t cap)
{
	assert_ptr_equal(ctx, lines);
	if (to_chip || len != 4)
		return false;
	snprintf(text, cap, "HELLO %c", frame[0]);
	return true;
}

static void others_may_describe_their_own_frames(void **state)
{
	static const uint8_t ohai[] = { 0xC0, 0x4F, 0x48, 0x41, 0x49, 0xC0 };

	(void)state;
	start();
	trace.describe = describe;
	event(PORT_EV_RX, 0, ohai, sizeof ohai);
	assert_string_equal(lines[1], "       0.000 <- HELLO O");
	event(PORT_EV_TX, 0, ohai, sizeof ohai);
	assert_non_null(strstr(lines[3], "-> frame of 4:"));
}

static void a_frame_without_end_takes_one_line(void **state)
{
	static uint8_t bytes[TRACE_FRAME_MAX + 500];

	(void)state;
	start();
	bytes[0] = 0xC0;
	event(PORT_EV_RX, 0, bytes, sizeof bytes);
	event(PORT_EV_RX, 0, bytes + 1, sizeof bytes - 1);
	assert_int_equal(n_lines, 3);
	assert_string_equal(lines[1], "       0.000 <- frame too long");
}

static void any_bytes_make_printable_lines_of_bounded_length(void **state)
{
	static uint8_t bytes[4000];

	(void)state;
	fake_seed();
	start();
	for (int round = 0; round < 300; round++) {
		size_t n = (size_t)rand() % sizeof bytes;

		for (size_t i = 0; i < n; i++)
			bytes[i] = rand() % 8 ? (uint8_t)(rand() % 12) : 0xC0;
		event(rand() % 2 ? PORT_EV_RX : PORT_EV_TX, (uint64_t)rand(), bytes, n);
	}
	assert_true(n_lines > 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_conversation_reads_as_in_the_header),
		cmocka_unit_test(the_other_events_have_their_words),
		cmocka_unit_test(a_reply_in_pieces_is_named_where_it_ends),
		cmocka_unit_test(long_data_are_abbreviated),
		cmocka_unit_test(what_is_no_packet_is_shown_as_hex),
		cmocka_unit_test(others_may_describe_their_own_frames),
		cmocka_unit_test(a_frame_without_end_takes_one_line),
		cmocka_unit_test(any_bytes_make_printable_lines_of_bounded_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
