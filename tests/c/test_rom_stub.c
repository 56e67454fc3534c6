/* What stubs need of the ROM's protocol beside its commands: long packets, raw
 * frames, and one question at a time. */
#include "fake_port.h"

#include "../../src/loader/rom.h"

static struct rom rom;

static struct fake_port *scripted(void)
{
	struct fake_port *f = fake_new();

	rom_init(&rom, &f->port);
	return f;
}

static void raw_frames_arrive_whole_and_unescaped(void **state)
{
	static const uint8_t wire[] = { 0xC0, 0x4F, 0xDB, 0xDC, 0x49, 0xC0, 0xC0, 0x01, 0xC0 };
	struct fake_port *f = scripted();
	uint64_t start_us = f->now_us;
	const uint8_t *frame;

	(void)state;
	fake_arrive(f, 1000, wire, sizeof wire, 0);
	assert_int_equal(rom_frame(&rom, 100, &frame), 3);
	assert_memory_equal(frame, "\x4F\xC0\x49", 3);
	assert_int_equal(rom_frame(&rom, 100, &frame), 1);
	assert_int_equal(rom_frame(&rom, 100, &frame), ESP_E_TIMEOUT);
	assert_string_equal(rom.err.text, "no frame within 100 ms");
	assert_true(f->now_us <= start_us + 110000);
	fake_free(f);
}

static void a_frame_of_4_KiB_fits_and_a_longer_one_is_dropped(void **state)
{
	static uint8_t wire[2 * ROM_FRAME_MAX];
	struct fake_port *f = scripted();
	const uint8_t *frame;

	(void)state;
	memset(wire, 'x', sizeof wire);
	wire[0] = wire[1 + 4096] = 0xC0;
	fake_arrive(f, 0, wire, 2 + 4096, 0);
	assert_int_equal(rom_frame(&rom, 1000, &frame), 4096);
	memset(wire, 'x', sizeof wire);
	wire[0] = wire[2 + ROM_FRAME_MAX] = 0xC0;
	fake_arrive(f, 0, wire, 3 + ROM_FRAME_MAX, 0);
	assert_int_equal(rom_frame(&rom, 1000, &frame), ESP_E_TIMEOUT);
	fake_free(f);
}

static void a_frame_is_sent_escaped(void **state)
{
	struct fake_port *f = scripted();

	(void)state;
	assert_int_equal(rom_send_frame(&rom, "\xC0\x10\xDB\x00", 4), 8);
	assert_memory_equal(f->tx, "\xC0\xDB\xDC\x10\xDB\xDD\x00\xC0", 8);
	assert_int_equal(f->tx_len, 8);
	fake_free(f);
}

static void a_packet_carries_16_KiB_with_its_checksum_and_no_more(void **state)
{
	static uint8_t data[0x4001];
	struct rom_request req = { .op = 0x11, .n_words = 4, .words = { 0x4000 }, .data = data,
				   .len = 0x4000, .checksum = true };
	struct fake_port *f = scripted();

	(void)state;
	memset(data, 0xC0, sizeof data);
	data[0] = 0x01;
	rom.is_stub = true;
	assert_true(rom_send(&rom, &req) > 2 * 0x3FFF);
	assert_int_equal(f->tx[1 + 4], 0xEF ^ 0x01 ^ 0xC0);	/* 0x3FFF times C0: odd */
	req.len++;
	assert_int_equal(rom_send(&rom, &req), ESP_E_TOOBIG);
	rom.is_stub = false;
	req.len = ROM_BLOCK_MAX + 1;
	assert_int_equal(rom_send(&rom, &req), ESP_E_TOOBIG);
	fake_free(f);
}

static void answer(struct fake_port *f, const uint8_t *bytes, size_t len)
{
	static const uint8_t reply[] = { 0xC0, 1, 0x0A, 2, 0, 5, 0, 0, 0, 0, 0, 0xC0 };

	(void)bytes;
	assert_int_equal(len, 14);	/* never two questions in one go */
	assert_int_equal(f->n, 0);	/* the answer before was taken */
	fake_arrive(f, 1000, reply, sizeof reply, 0);
}

static void a_stub_gets_one_question_at_a_time(void **state)
{
	const uint32_t addrs[3] = { 0x60000014, 0x60000018, 0x6000001C };
	struct fake_port *f = scripted();
	uint32_t values[3] = { 0 };

	(void)state;
	f->on_write = answer;
	rom.is_stub = true;
	assert_int_equal(rom_read_regs(&rom, addrs, values, 3), 0);
	assert_int_equal(values[2], 5);
	fake_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_frames_arrive_whole_and_unescaped),
		cmocka_unit_test(a_frame_of_4_KiB_fits_and_a_longer_one_is_dropped),
		cmocka_unit_test(a_frame_is_sent_escaped),
		cmocka_unit_test(a_packet_carries_16_KiB_with_its_checksum_and_no_more),
		cmocka_unit_test(a_stub_gets_one_question_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
