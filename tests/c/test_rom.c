#include "fake_rom.h"

#include "../../src/loader/rom_impl.h"

#define SENT(f, hex) assert_true(sent(f, hex))

static struct rom rom;		/* 60 KB */

static struct fake_port *scripted(void)
{
	struct fake_port *f = fake_new();

	rom_init(&rom, &f->port);
	return f;
}

static struct fake_rom *chip(void)
{
	struct fake_rom *r = from_new(1 << 20);

	rom_init(&rom, &r->fp->port);
	return r;
}

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned v;
	int used;

	while (sscanf(hex, " %2x%n", &v, &used) == 1) {
		out[n++] = (uint8_t)v;
		hex += used;
	}
	return n;
}

static void arrive(struct fake_port *f, uint64_t after_us, const char *hex)
{
	uint8_t bytes[1024];

	fake_arrive(f, after_us, bytes, unhex(hex, bytes), 0);
}

static bool sent(struct fake_port *f, const char *hex)
{
	uint8_t bytes[1024];
	size_t n = unhex(hex, bytes);

	return f->tx_len == n && memcmp(f->tx, bytes, n) == 0;
}

static bool says(const char *part)
{
	if (strstr(rom.err.text, part))
		return true;
	print_message("text is: %s\n", rom.err.text);
	return false;
}

#define MAGIC_ASK "c0 00 0a 04 00 00 00 00 00 00 10 00 40 c0"
#define MAGIC_REPLY "c0 01 0a 02 00 01 c1 f0 ff 00 00 c0"

static int read_magic(uint32_t *value)
{
	return rom_read_reg(&rom, ROM_CHIP_MAGIC, value);
}

/* ---- what goes out ---- */

static void a_register_is_read_with_the_bytes_of_the_book(void **state)
{
	struct fake_port *f = scripted();
	uint32_t value;

	(void)state;
	arrive(f, 500, MAGIC_REPLY);
	assert_int_equal(read_magic(&value), 0);
	assert_int_equal(value, 0xFFF0C101);
	SENT(f, MAGIC_ASK);
	fake_free(f);
}

static void every_command_is_sent_with_the_bytes_of_the_book(void **state)
{
	static const uint8_t data[] = { 0xC0, 0xDB, 0x00, 0xFF };
	static const struct rom_record rec = { 0x60000240, 0, 0xFFFFFFFF, 0 };
	struct fake_port *f = scripted();

	(void)state;
	arrive(f, 500, "c0 01 02 02 00 00 00 00 00 00 00 c0");
	assert_int_equal(rom_flash_begin(&rom, 0x1000, 4, 0x400, 0x10000), 0);
	SENT(f, "C0 00 02 10 00 00 00 00 00 00 10 00 00 04 00 00 00 00 04 00 00 00 00 01 00 C0");
	f->tx_len = 0;
	arrive(f, 500, "c0 01 05 02 00 00 00 00 00 00 00 c0");
	assert_int_equal(rom_mem_begin(&rom, 8, 1, 0x1800, 0x40100000), 0);
	SENT(f, "C0 00 05 10 00 00 00 00 00 08 00 00 00 01 00 00 00 00 18 00 00 00 00 10 40 C0");
	f->tx_len = 0;
	arrive(f, 500, "c0 01 07 02 00 00 00 00 00 00 00 c0");
	assert_int_equal(rom_mem_data(&rom, 0, data, sizeof data), 0);
	SENT(f, "C0 00 07 14 00 0B 00 00 00 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	     "DB DC DB DD 00 FF C0");
	f->tx_len = 0;
	arrive(f, 500, "c0 01 06 02 00 00 00 00 00 00 00 c0");
	assert_int_equal(rom_mem_end(&rom, false, 0x40100000), 0);
	SENT(f, "C0 00 06 08 00 00 00 00 00 00 00 00 00 00 00 10 40 C0");
	f->tx_len = 0;
	arrive(f, 500, "c0 01 09 02 00 00 00 00 00 00 00 c0");
	assert_int_equal(rom_write_reg(&rom, &rec), 0);
	SENT(f, "C0 00 09 10 00 00 00 00 00 40 02 00 60 00 00 00 00 FF FF FF FF 00 00 00 00 C0");
	f->tx_len = 0;
	arrive(f, 500, "c0 01 0b 02 00 00 00 00 00 00 00 c0");
	assert_int_equal(rom_flash_params(&rom, 16 << 20), 0);
	SENT(f, "C0 00 0B 18 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00 01 00 00 10 00 00 "
	     "00 01 00 00 FF FF 00 00 C0");
	fake_free(f);
}

static void the_table_has_each_command_of_the_rom_once(void **state)
{
	static const uint8_t n_words[] = { [0x02] = 4, [0x03] = 4, [0x04] = 1, [0x05] = 4,
		[0x06] = 2, [0x07] = 4, [0x08] = 1, [0x09] = 4, [0x0A] = 1, [0x0B] = 6 };
	int found = 0;

	(void)state;
	for (unsigned op = 0; op < 256; op++) {
		const struct rom_command *c = rom_command_find((uint8_t)op);

		if (c) {
			found++;
			assert_int_equal(c->op, op);
			assert_int_equal(c->n_words, n_words[op]);
			assert_int_equal(c->has_data, op == ROM_FLASH_DATA || op == ROM_MEM_DATA);
			for (int i = 0; i < c->n_words; i++)
				assert_non_null(c->words[i]);
		}
	}
	assert_int_equal(found, 10);
	assert_string_equal(rom_command_find(0x03)->name, "FLASH_DATA");
}

static void a_packet_that_is_too_long_is_never_sent(void **state)
{
	struct fake_port *f = scripted();
	struct rom_request req = { .op = ROM_MEM_DATA, .n_words = 4, .data = rom.wire,
				   .len = ROM_BLOCK_MAX + 1 };

	(void)state;
	assert_int_equal(rom_command(&rom, &req, NULL), ESP_E_TOOBIG);
	req.len = SIZE_MAX;
	assert_int_equal(rom_command(&rom, &req, NULL), ESP_E_TOOBIG);
	req.len = 0;
	req.n_words = ROM_WORDS_MAX + 1;
	assert_int_equal(rom_command(&rom, &req, NULL), ESP_E_TOOBIG);
	assert_int_equal(rom_send_frame(&rom, rom.wire, sizeof rom.wire), ESP_E_TOOBIG);
	assert_true(says("do not fit a frame"));
	assert_int_equal(f->tx_len, 0);
	fake_free(f);
}

static void an_address_that_would_hang_the_rom_is_never_sent(void **state)
{
	struct fake_port *f = scripted();
	static const struct rom_record two[] = { { 0x60000200, 0, 0, 0 }, { 0x60000201, 0, 0, 0 } };
	uint32_t value;

	(void)state;
	assert_int_equal(rom_read_reg(&rom, 0x60000002, &value), ESP_E_ARGUMENT);
	assert_int_equal(rom_read_reg(&rom, 0, &value), ESP_E_ARGUMENT);
	assert_int_equal(rom_write_regs(&rom, two, 2), ESP_E_ARGUMENT);
	assert_int_equal(rom_write_regs(&rom, two, 0), ESP_E_ARGUMENT);
	assert_int_equal(rom_write_regs(&rom, two, ROM_RECORDS_MAX + 1), ESP_E_ARGUMENT);
	assert_int_equal(f->tx_len, 0);
	fake_free(f);
}

/* ---- what comes back ---- */

static void a_reply_may_come_byte_by_byte(void **state)
{
	struct fake_port *f = scripted();
	uint32_t value;

	(void)state;
	f->read_max = 1;
	arrive(f, 500, MAGIC_REPLY);
	assert_int_equal(read_magic(&value), 0);
	assert_int_equal(value, 0xFFF0C101);
	assert_int_equal(f->reads, 12);
	fake_free(f);
}

static void what_is_no_answer_to_this_is_skipped(void **state)
{
	static const char *const noise[] = {
		"0d 0a 20 65 74 73 20 4a 61 6e 20 20 38 0d 0a",	/* boot log */
		"c0 c0 c0 c0",
		"c0 01 08 02 00 07 07 12 20 00 00 c0",		/* another op */
		"c0 01 02 02 00 00 00 00 00 01 06 c0",		/* ... and that failed */
		MAGIC_ASK,					/* our own echo */
		"c0 01 0a 03 00 11 22 33 44 00 00 c0",		/* wrong size */
		"c0 01 0a 02 00 01 c1 f0 ff 00 c0",		/* too short */
		"c0 01 c0", "c0 01 0a 02 00 01 c1 f0 ff c0",
		"c0 01 0a 00 00 01 c1 f0 ff c0", "c0 01 0a 01 00 01 c1 f0 ff 00 c0",	/* no status */
		"c0 01 0a 02 00 01 db 11 f0 ff 00 00 c0",	/* bad escape */
		"c0 01 0a 02 00 01 db",				/* cut in an escape */
		"c0 02 0a 02 00 01 c1 f0 ff 00 00 c0",		/* wrong direction */
		"c0 01 0a 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
		"00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
		"00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 c0",	/* too long */
	};

	(void)state;
	for (size_t i = 0; i < sizeof noise / sizeof noise[0]; i++) {
		for (int way = 0; way < 4; way++) {
			struct fake_port *f = scripted();
			struct rom_request req = { .op = ROM_READ_REG, .n_words = 1,
						   .words = { ROM_CHIP_MAGIC } };
			struct rom_reply reply = { .value = 0 };

			f->read_max = way & 1 ? 3 : 0;
			arrive(f, 500, noise[i]);
			arrive(f, 900, MAGIC_REPLY);
			if (way & 2)
				assert_int_equal(read_magic(&reply.value), 0);
			else
				assert_int_equal(rom_command(&rom, &req, &reply), 0);
			assert_int_equal(reply.value, 0xFFF0C101);
			SENT(f, MAGIC_ASK);
			fake_free(f);
		}
	}
}

static void an_error_byte_means_nothing_while_the_status_is_0(void **state)
{
	struct fake_port *f = scripted();
	uint32_t value;

	(void)state;
	arrive(f, 500, "c0 01 0a 02 00 01 c1 f0 ff 00 05 c0");
	assert_int_equal(read_magic(&value), 0);
	fake_free(f);
}

static void a_refusal_says_why(void **state)
{
	static const struct { const char *status, *text; } cases[] = {
		{ "01 05", "FLASH_DATA refused: message malformed (05)" },
		{ "01 06", "FLASH_DATA refused: operation failed (06)" },
		{ "01 07", "FLASH_DATA refused: checksum error (07)" },
		{ "01 08", "FLASH_DATA refused: flash does not read back" },
		{ "01 77", "FLASH_DATA refused: unknown error (77)" },
		{ "c1 00", "FLASH_DATA refused: status c1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fake_port *f = scripted();
		char reply[64];

		snprintf(reply, sizeof reply, "c0 01 03 02 00 00 00 00 00 %s c0", cases[i].status);
		arrive(f, 500, reply);
		assert_int_equal(rom_flash_data(&rom, 0, "abcd", 4), ESP_E_REFUSED);
		assert_true(says(cases[i].text));
		fake_free(f);
	}
}

static void a_longer_reply_of_a_stub_is_taken_apart(void **state)
{
	struct fake_port *f = scripted();
	struct rom_request req = { .op = 0x13, .n_words = 4 };
	struct rom_reply reply;

	(void)state;
	arrive(f, 500, "c0 01 13 12 00 00 00 00 00 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f "
	       "00 00 c0");
	assert_int_equal(rom_command(&rom, &req, &reply), 0);
	assert_int_equal(reply.len, 16);
	assert_int_equal(reply.data[15], 15);
	fake_free(f);
}

static void the_longest_reply_is_taken_and_a_longer_one_never(void **state)
{
	(void)state;
	for (size_t len = ROM_REPLY_MAX; len <= ROM_REPLY_MAX + 1; len++) {
		struct fake_port *f = scripted();
		struct rom_request req = { .op = ROM_READ_REG, .n_words = 1, .words = { 4 } };
		struct rom_reply reply;
		uint8_t wire[ROM_REPLY_MAX + 3] = { 0xC0, 1, ROM_READ_REG, (uint8_t)(len - ROM_HEAD) };

		wire[len - 2] = 0x5A;	/* the last byte before the status */
		wire[len + 1] = 0xC0;
		fake_arrive(f, 500, wire, len + 2, 0);
		assert_int_equal(rom_command(&rom, &req, &reply),
				 len > ROM_REPLY_MAX ? ESP_E_TIMEOUT : 0);
		if (len == ROM_REPLY_MAX) {
			assert_int_equal(reply.len, ROM_REPLY_MAX - ROM_HEAD - 2);
			assert_int_equal(reply.data[reply.len - 1], 0x5A);
		}
		fake_free(f);
	}
}

static void a_command_that_the_rom_does_not_have_is_recognised(void **state)
{
	static const uint8_t before[] = { ROM_SYNC, ROM_READ_REG, ROM_FLASH_BEGIN };
	uint32_t value;

	(void)state;
	for (size_t i = 0; i < sizeof before; i++) {
		struct fake_rom *r = chip();
		struct rom_request req = { .op = 0x13, .n_words = 4 };
		uint64_t start;

		if (before[i] == ROM_SYNC)
			assert_int_equal(rom_sync(&rom), 0);
		else if (before[i] == ROM_READ_REG)
			assert_int_equal(read_magic(&value), 0);
		else
			assert_int_equal(rom_flash_begin(&rom, 0, 0, 0x400, 0), 0);
		start = r->fp->now_us;
		for (int again = 0; again < 2; again++) {
			assert_int_equal(rom_command(&rom, &req, NULL), ESP_E_REFUSED);
			assert_true(says("the loader does not have command 13"));
			assert_int_equal(r->fp->n, 0);
		}
		assert_true(r->fp->now_us - start < 300000);
		assert_int_equal(rom_flash_params(&rom, 1 << 20), 0);
		assert_int_equal(read_magic(&value), 0);
		assert_int_equal(value, 0xFFF0C101);
		from_free(r);
	}
}

static void an_old_answer_does_not_make_a_command_unknown(void **state)
{
	static const char *const old[] = {
		"c0 01 0a 02 00 00 00 00 00 01 06 c0",	/* refused, for another reason */
		"c0 01 0a 02 00 00 00 00 00 00 05 c0",	/* done */
	};

	(void)state;
	for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
		struct fake_port *f = scripted();
		struct rom_request req = { .op = 0x13, .n_words = 4 };

		arrive(f, 500, old[i]);
		arrive(f, 900, "c0 01 13 02 00 04 03 02 01 00 00 c0");
		assert_int_equal(rom_command(&rom, &req, NULL), 0);
		fake_free(f);
	}
}

static void what_came_too_early_is_left_for_who_takes_the_line(void **state)
{
	struct fake_port *f = scripted();
	uint8_t rest[8];
	uint32_t value;

	(void)state;
	for (size_t cap = 2; cap <= sizeof rest; cap += 6) {
		arrive(f, 500, MAGIC_REPLY " 4f 48 41 49");
		assert_int_equal(read_magic(&value), 0);
		assert_int_equal(rom_take_rest(&rom, rest, cap), cap < 4 ? cap : 4);
		assert_memory_equal(rest, "OHAI", cap < 4 ? cap : 4);
		assert_int_equal(rom_take_rest(&rom, rest, sizeof rest), 0);
	}
	fake_free(f);
}

/* ---- deadlines ---- */

static void patience_is_ten_failures_or_three_silences_in_a_row(void **state)
{
	struct rom_patience line = { 0 }, silent = { 0 }, mixed = { 0 }, gone = { 0 };

	(void)state;
	for (int i = 1; i <= 10; i++)
		assert_int_equal(rom_try_again(&line, ESP_E_PROTO), i < 10);
	for (int i = 1; i <= 3; i++)
		assert_int_equal(rom_try_again(&silent, ESP_E_TIMEOUT), i < 3);
	for (int i = 1; i <= 10; i++)
		assert_int_equal(rom_try_again(&mixed, i % 3 ? ESP_E_TIMEOUT : ESP_E_REFUSED), i < 10);
	assert_false(rom_try_again(&gone, ESP_E_GONE));
}

static void silence_ends_in_time(void **state)
{
	struct fake_port *f = scripted();
	struct rom_request req = { .op = ROM_READ_REG, .n_words = 1, .words = { 4 },
				   .timeout_ms = 70 };
	uint64_t start = f->now_us;

	(void)state;
	(void)esp_fail(&f->port.err, ESP_E_IO, "an old failure, long over");
	assert_int_equal(rom_command(&rom, &req, NULL), ESP_E_TIMEOUT);
	assert_in_range(f->now_us - start, 70000, 100000);
	assert_int_equal(f->now_us - start, rom_timeout_ms(&rom, &req) * 1000ull);
	assert_true(says("READ_REG: no answer within"));
	fake_free(f);
}

static void a_trickle_of_bytes_does_not_move_the_deadline(void **state)
{
	struct fake_port *f = scripted();
	struct rom_request req = { .op = ROM_READ_REG, .n_words = 1, .words = { 4 },
				   .timeout_ms = 500 };
	uint64_t start = f->now_us;

	(void)state;
	for (uint64_t t = 50000; t < 20000000; t += 50000)
		arrive(f, t, "01");
	assert_int_equal(rom_command(&rom, &req, NULL), ESP_E_TIMEOUT);
	assert_in_range(f->now_us - start, 500000, 600000);
	fake_free(f);
}

static void an_answer_in_the_last_millisecond_is_taken_and_none_is_waited_for_after_it(void **state)
{
	struct rom_request req = { .op = ROM_READ_REG, .n_words = 1, .words = { 4 } };
	struct fake_port *f = scripted();
	uint64_t start = f->now_us, wait_us;

	(void)state;
	arrive(f, 333, "55");
	assert_int_equal(rom_command(&rom, &req, NULL), ESP_E_TIMEOUT);
	wait_us = (f->now_us - start) / 1000 * 1000;
	assert_true(f->now_us - start < wait_us + 1000);
	fake_free(f);
	f = scripted();
	start = f->now_us;
	arrive(f, 333, "55");
	arrive(f, wait_us - 300, "c0 01 0a 02 00 00 00 00 00 00 00 c0");
	assert_int_equal(rom_command(&rom, &req, NULL), 0);
	fake_free(f);
}

static void sleep_a_minute(struct fake_port *f, unsigned tag)
{
	(void)tag;
	f->now_us += 60000000;
}

static void a_clock_that_jumps_over_the_deadline_ends_the_wait(void **state)
{
	struct rom_request req = { .op = ROM_READ_REG, .n_words = 1, .words = { 4 } };
	struct fake_port *f = scripted();
	uint64_t start = f->now_us;

	(void)state;
	f->on_taken = sleep_a_minute;	/* the machine was suspended */
	fake_arrive(f, 500, "\x55", 1, 1);
	assert_int_equal(rom_command(&rom, &req, NULL), ESP_E_TIMEOUT);
	assert_in_range(f->now_us - start, 60000000, 60100000);
	fake_free(f);
}

static unsigned hurry_us;

static int read_in_a_hurry(struct port *p, void *buf, size_t cap, uint32_t timeout_ms)
{
	struct fake_port *f = fake_of(p);

	(void)timeout_ms;
	f->now_us += hurry_us;
	return fake_read(p, buf, cap, 0);
}

static void a_port_that_returns_early_is_asked_again_but_not_for_ever(void **state)
{
	struct fake_port *f = scripted();
	struct port_ops ops = *f->port.ops;
	uint32_t value;

	(void)state;
	ops.read = read_in_a_hurry;
	f->port.ops = &ops;
	hurry_us = 1000;
	arrive(f, 50000, MAGIC_REPLY);
	assert_int_equal(read_magic(&value), 0);
	assert_int_equal(value, 0xFFF0C101);
	hurry_us = 0;		/* nor does its clock go on */
	assert_int_equal(read_magic(&value), ESP_E_TIMEOUT);
	fake_free(f);
}

static int read_noise_at_once(struct port *p, void *buf, size_t cap, uint32_t timeout_ms)
{
	(void)p;
	(void)timeout_ms;
	memset(buf, 0x55, cap);
	return (int)cap;
}

static void noise_that_takes_no_time_ends_too(void **state)
{
	struct fake_port *f = scripted();
	struct port_ops ops = *f->port.ops;
	uint64_t deadline_us = f->now_us + 1000000;
	struct rom_reply reply;

	(void)state;
	ops.read = read_noise_at_once;
	f->port.ops = &ops;
	assert_int_equal(rom_next_reply(&rom, deadline_us, &reply), ESP_E_TIMEOUT);
	fake_free(f);
}

static void damaged_frames_are_counted(void **state)
{
	static const struct { const char *noise; unsigned n; } cases[] = {
		{ "c0 01 db 11 c0", 1 }, { "c0 01 0a c0", 1 }, { "c0 01 db c0 01 0a c0", 2 },
		{ "65 74 73 c0 c0", 0 }, { "c0 01 08 02 00 07 07 12 20 00 00 c0", 0 },
	};
	uint32_t value;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fake_port *f = scripted();

		arrive(f, 500, cases[i].noise);
		arrive(f, 900, MAGIC_REPLY);
		assert_int_equal(read_magic(&value), 0);
		assert_int_equal(rom.bad_frames, cases[i].n);
		fake_free(f);
	}
}

static void a_time_out_allows_for_the_transfer(void **state)
{
	static uint8_t block[ROM_BLOCK_MAX];
	struct fake_port *f = scripted();

	(void)state;
	f->port.baud = 9600;
	arrive(f, 7000000, "c0 01 07 02 00 00 00 00 00 00 00 c0");	/* 6 KB take 6.4 s */
	assert_int_equal(rom_mem_data(&rom, 0, block, sizeof block), 0);
	assert_int_equal(rom_mem_data(&rom, 1, block, sizeof block), ESP_E_TIMEOUT);
	assert_true(f->now_us < 30000000);
	fake_free(f);
}

static uint32_t write_limit_ms;

static int write_for_at_most(struct port *p, const void *bytes, size_t len, uint32_t timeout_ms)
{
	write_limit_ms = timeout_ms;
	return fake_write(p, bytes, len, timeout_ms);
}

/* 6 KB at 9600 baud take 6.4 s, twice that when every byte is escaped. */
static void writing_is_given_the_time_that_the_line_needs(void **state)
{
	static uint8_t block[ROM_BLOCK_MAX];
	struct fake_port *f = scripted();
	struct port_ops ops = *f->port.ops;
	uint32_t value;

	(void)state;
	ops.write = write_for_at_most;
	f->port.ops = &ops;
	f->port.baud = 9600;
	assert_int_equal(rom_mem_data(&rom, 0, block, sizeof block), ESP_E_TIMEOUT);
	assert_in_range(write_limit_ms, 6400, 30000);
	arrive(f, 500, MAGIC_REPLY);
	assert_true(read_magic(&value) <= 0);
	assert_in_range(write_limit_ms, 1000, 5000);
	fake_free(f);
}

static void an_erase_may_take_as_long_as_slow_flash_needs(void **state)
{
	struct fake_rom *r = from_new(4 << 20);

	(void)state;
	rom_init(&rom, &r->fp->port);
	r->sector_us = 120000;		/* 2 s a block */
	assert_int_equal(rom_flash_begin(&rom, 0xF0000, 0, 0x400, 0), 0);
	assert_true(r->fp->now_us > 25000000);
	from_free(r);
}

static uint64_t silence_ends_after_ms(const struct rom_request *req)
{
	struct fake_port *f = scripted();
	uint64_t start = f->now_us, end;

	assert_int_equal(rom_command(&rom, req, NULL), ESP_E_TIMEOUT);
	end = f->now_us;
	fake_free(f);
	return (end - start) / 1000;
}

/* Programming a block takes up to a second, all else next to nothing. */
static void nobody_waits_long_for_a_silent_chip(void **state)
{
	(void)state;
	for (unsigned op = 0; op < 256; op++) {
		struct rom_request req = { .op = (uint8_t)op };
		bool is_sync = op == ROM_SYNC;
		uint64_t ms = silence_ends_after_ms(&req);

		assert_in_range(ms, is_sync ? 100 : op == ROM_FLASH_DATA ? 1000 : 500,
				is_sync ? 300 : 5000);
	}
}

/* The slowest chips take 400 ms a sector and 2 s a block of 16 (data sheets). */
static void silence_after_an_erase_ends_soon_after_the_slowest_chip_would_have(void **state)
{
	static const struct { uint32_t offset, size, sectors, blocks; } cases[] = {
		{ 0xF000, 0x1000, 2, 0 }, { 0x1000, 0xF000, 30, 0 }, { 0, 0x10000, 16, 1 },
		{ 0, 0x11000, 18, 1 }, { 0, 0x100000, 16, 16 }, { 0xF000, 0x20000, 1, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint32_t worst_ms = cases[i].sectors * 400 + cases[i].blocks * 2000;
		struct rom_request req = { .op = ROM_FLASH_BEGIN, .n_words = 4,
			.words = { cases[i].size, 1, 0x400, cases[i].offset } };

		assert_in_range(silence_ends_after_ms(&req), worst_ms, worst_ms * 2 + 8000);
	}
}

static void flash_begin_erases_as_many_sectors_as_was_observed(void **state)
{
	static const uint32_t cases[][3] = {	/* offset, size, sectors erased */
		{ 0, 0x1000, 2 }, { 0, 0x10000, 32 }, { 0, 0x20000, 48 }, { 0, 0x21000, 49 },
		{ 0x3000, 0x5000, 10 }, { 0xF000, 0x1000, 2 }, { 0x1000, 0xF000, 30 },
		{ 0, 0x100000, 272 }, { 0, 0x40000, 80 }, { 0x3000, 0x1000, 2 },
		{ 0xC000, 0x8000, 12 }, { 0xF000, 0x10000, 17 }, { 0xF000, 0, 0 },
		{ 0, 1, 2 }, { 0x3000, 0x1001, 4 }, { 0xE000, 0x2FFF, 5 },
	};
	struct fake_rom *r = from_new(4 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		unsigned n = 0;

		assert_int_equal(rom_erased_sectors(cases[i][0], cases[i][1]), cases[i][2]);
		assert_int_equal(from_erase_area(r, cases[i][0], cases[i][1], &n), 0);
		assert_int_equal(n, cases[i][2]);
	}
	from_free(r);
}

static void a_hostile_peer_cannot_hold_us(void **state)
{
	static const uint8_t bytes[] = { 0x55, 0xC0, 0xDB, 0x00, 0xFF };
	static const uint8_t sync[] = { 0xC0, 1, 8, 2, 0, 7, 7, 0x12, 0x20, 0, 0, 0xC0 };
	uint32_t value;

	(void)state;
	for (size_t i = 0; i <= sizeof bytes; i++) {
		struct fake_port *f = scripted();
		uint64_t start = f->now_us;
		const struct rom_connect how = { NULL, 0, 3, false };

		f->babbling = true;
		f->port.baud = 921600;
		f->babble_from_us = f->now_us;
		if (i == sizeof bytes) {	/* a good answer to something else, for ever */
			f->babble_text = sync;
			f->babble_len = sizeof sync;
		} else {
			f->babble = bytes[i];
		}
		assert_int_equal(read_magic(&value), ESP_E_TIMEOUT);
		assert_true(f->now_us - start < 5000000);
		start = f->now_us;
		assert_int_equal(rom_connect(&rom, &how), i == sizeof bytes ? 0 : ESP_E_TIMEOUT);
		assert_true(f->now_us - start < 5000000);
		assert_true(rom.heard_len <= ROM_HEARD_MAX);
		if (i < sizeof bytes)
			assert_true(rom.heard_total > ROM_HEARD_MAX);
		fake_free(f);
	}
}

static void a_frame_without_end_uses_no_memory_and_ends_in_time(void **state)
{
	static uint8_t text[4096];
	struct fake_port *f = scripted();
	uint64_t start = f->now_us;
	struct rom_request req = { .op = ROM_READ_REG, .n_words = 1, .words = { 4 } };

	(void)state;
	memset(text, 'A', sizeof text);
	arrive(f, 100, "c0 01 0a");
	f->port.baud = PORT_MAX_BAUD;
	assert_int_equal(rom_send(&rom, &req) > 0, 1);
	assert_int_equal(port_read(&f->port, text, 3, 10), 3);
	f->babbling = true;
	f->babble_text = text;
	f->babble_len = sizeof text;
	f->babble_from_us = f->now_us;
	assert_int_equal(rom_receive(&rom, &req, NULL), ESP_E_TIMEOUT);
	assert_true(f->now_us - start < 5000000);
	assert_true(f->bytes_read > 400000);
	fake_free(f);
}

static void an_unplugged_port_is_reported_wherever_it_happens(void **state)
{
	uint32_t value;
	int ok = 0;

	(void)state;
	for (unsigned n = 1; n < 100 && !ok; n++) {
		struct fake_rom *r = chip();
		struct rom_connect how = { reset_find("nodemcu", RESET_TO_LOADER), 1, 8, true };
		int rc;

		r->in_loader = false;
		r->fp->fail_read = n;
		rc = rom_connect(&rom, &how);
		if (rc == 0)
			rc = read_magic(&value);
		ok = rc == 0;
		if (!ok) {
			assert_int_equal(rc, ESP_E_GONE);
			assert_string_equal(rom.err.text, "fake: unplugged");
		}
		from_free(r);
	}
	assert_true(ok);
	ok = 0;
	for (unsigned n = 1; n < 100 && !ok; n++) {
		struct fake_rom *r = chip();

		r->fp->fail_write = n;
		ok = rom_load_ram(&rom, 0x40100000, "12345678", 8) == 0;
		assert_true(!ok || n > 2);	/* the command and its data were written */
		if (!ok)
			assert_int_equal(rom.err.code, ESP_E_GONE);
		from_free(r);
	}
	assert_true(ok);
}

/* ---- after a failure ---- */

static void a_lost_answer_is_asked_for_again_in_step(void **state)
{
	struct fake_rom *r = chip();
	uint32_t value = 0;

	(void)state;
	r->lose_reply = 1;
	assert_int_equal(read_magic(&value), 0);
	assert_int_equal(value, 0xFFF0C101);
	assert_string_equal(r->log, "0a 40001000;08 20120707 55555555 55555555 55555555;"
			    "0a 40001000;");
	from_free(r);
}

static void a_late_answer_is_not_taken_for_the_next_one(void **state)
{
	static const uint64_t late_us[] = { 150000, 300000, 800000, 2500000 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct fake_rom *r = chip();
		struct rom_request req = { .op = ROM_READ_REG, .n_words = 1,
					   .words = { 0x3FF00050 }, .timeout_ms = 100 };
		uint32_t value = 0;

		*from_reg(r, 0x3FF00050) = 0x11111111;
		r->late_reply = 1;
		r->late_us = late_us[i];
		assert_int_equal(rom_command(&rom, &req, NULL), ESP_E_TIMEOUT);
		while (read_magic(&value) < 0)
			;
		assert_int_equal(value, 0xFFF0C101);
		from_free(r);
	}
}

static void a_cut_frame_in_the_rom_costs_nothing_after_resync(void **state)
{
	struct fake_rom *r = chip();
	uint32_t value;

	(void)state;
	from_written(r->fp, (const uint8_t *)"\xC0\x00\x0A\x04\x00", 5);
	assert_int_equal(rom_resync(&rom), 0);
	assert_int_equal(r->fp->tx[0], 0xC0);
	assert_int_equal(r->fp->tx[1], 0xC0);
	assert_int_equal(r->fp->tx_len, 2 + 46);	/* the first SYNC was answered */
	assert_int_equal(read_magic(&value), 0);
	assert_int_equal(value, 0xFFF0C101);
	from_free(r);
}

/* ---- rows ---- */

static void many_registers_are_read_ahead_but_never_over_the_ring(void **state)
{
	struct fake_rom *r = chip();
	uint32_t addrs[40], values[40] = { 0 };
	uint64_t start = r->fp->now_us;

	(void)state;
	for (uint32_t i = 0; i < 40; i++) {
		addrs[i] = 0x60000300 + 4 * i;
		*from_reg(r, addrs[i]) = 0xC0DB0000 + i * 0xDB;
	}
	assert_int_equal(rom_read_regs(&rom, addrs, values, 40), 0);
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(values[i], 0xC0DB0000 + i * 0xDB);
	assert_false(r->ring_overrun);
	assert_in_range(r->max_row, 200, 255);
	/* the line out was busy all the time: 40 requests of 14 bytes, and one answer */
	assert_true(r->fp->now_us - start < 40 * 16 * 87 + 5000);
	from_free(r);
}

static void a_hole_in_a_row_of_answers_is_noticed_and_mended(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 40; n++) {
		struct fake_rom *r = chip();
		uint32_t addrs[40], values[40] = { 0 };

		for (uint32_t i = 0; i < 40; i++) {
			addrs[i] = 0x60000300 + 4 * i;
			*from_reg(r, addrs[i]) = i;
		}
		if (n % 3 == 0)
			r->lose_reply = n;
		else if (n % 3 == 1)
			r->lose_request = n;
		else
			r->damage_reply = n;
		assert_int_equal(rom_read_regs(&rom, addrs, values, 40), 0);
		for (uint32_t i = 0; i < 40; i++)
			assert_int_equal(values[i], i);
		assert_false(r->ring_overrun);
		from_free(r);
	}
}

static void a_row_stops_at_a_refusal(void **state)
{
	struct fake_port *f = scripted();
	uint32_t addrs[2] = { 4, 8 }, values[2];

	(void)state;
	for (int i = 0; i < 6; i++)
		arrive(f, 100, "c0 01 0a 02 00 00 00 00 00 01 05 c0");
	assert_true(rom_read_regs(&rom, addrs, values, 2) < 0);
	fake_free(f);
}

static void ask_for_an_escaped_address(void *ctx, size_t i, struct rom_request *req)
{
	(void)ctx;
	(void)i;
	req->op = ROM_READ_REG;
	req->n_words = 1;
	req->words[0] = 0x600003C0;
}

static void the_ring_is_used_to_its_last_byte(void **state)
{
	struct fake_rom *r = chip();
	const struct rom_row row = { 40, ask_for_an_escaped_address, NULL, NULL };

	(void)state;
	assert_int_equal(rom_run_row(&rom, &row), 0);
	assert_int_equal(r->max_row, 255);	/* 17 requests of 15 bytes */
	assert_false(r->ring_overrun);
	from_free(r);
}

static void a_row_without_answers_says_so_when_all_of_it_had_time(void **state)
{
	struct fake_port *f = scripted();
	const struct rom_row row = { 17, ask_for_an_escaped_address, NULL, NULL };
	uint64_t start;

	(void)state;
	f->port.baud = 9600;
	start = f->now_us;
	assert_int_equal(rom_run_row(&rom, &row), ESP_E_TIMEOUT);
	assert_true(says("READ_REG: no answer within"));
	assert_in_range(f->now_us - start, 1265000, 5000000);	/* a second, and 255 bytes */
	fake_free(f);
}

static unsigned n_writes;

static int write_counted(struct port *p, const void *bytes, size_t len, uint32_t timeout_ms)
{
	n_writes++;
	return fake_write(p, bytes, len, timeout_ms);
}

static void a_row_writes_each_request_once_and_nothing_else(void **state)
{
	struct fake_port *f = scripted();
	struct port_ops ops = *f->port.ops;
	const struct rom_row row = { 3, ask_for_an_escaped_address, NULL, NULL };

	(void)state;
	ops.write = write_counted;
	f->port.ops = &ops;
	n_writes = 0;
	for (int i = 1; i <= 3; i++)
		arrive(f, 500 * (uint64_t)i, MAGIC_REPLY);
	assert_int_equal(rom_run_row(&rom, &row), 0);
	assert_int_equal(n_writes, 3);
	assert_int_equal(f->tx_len, 3 * 15);
	fake_free(f);
}

static void a_row_drops_answers_to_what_it_never_asked(void **state)
{
	struct fake_port *f = scripted();
	const struct rom_row row = { 1, ask_for_an_escaped_address, NULL, NULL };

	(void)state;
	arrive(f, 500, "c0 01 00 02 00 00 00 00 00 00 00 c0");
	arrive(f, 700, "c0 01 08 02 00 07 07 12 20 00 00 c0");
	arrive(f, 900, MAGIC_REPLY);
	assert_int_equal(rom_run_row(&rom, &row), 0);
	fake_free(f);
}

static void ask_for_too_much(void *ctx, size_t i, struct rom_request *req)
{
	req->op = ROM_READ_REG;
	req->n_words = i + 1 == *(size_t *)ctx ? ROM_WORDS_MAX + 1 : 1;
	req->words[0] = ROM_CHIP_MAGIC;
}

static void a_row_stops_at_what_does_not_fit_a_packet(void **state)
{
	(void)state;
	for (size_t bad = 1; bad <= 2; bad++) {
		struct fake_rom *r = chip();
		const struct rom_row row = { 3, ask_for_too_much, NULL, &bad };
		uint32_t value;

		assert_int_equal(rom_run_row(&rom, &row), ESP_E_TOOBIG);
		assert_int_equal(read_magic(&value), 0);
		assert_int_equal(value, 0xFFF0C101);
		/* an answer may still come of the one before it, and only then */
		assert_int_equal(strstr(r->log, "08 20120707") != NULL, bad == 2);
		from_free(r);
	}
}

static void several_registers_are_written_in_one_packet(void **state)
{
	static const struct rom_record recs[] = {
		{ 0x60000308, 0xFFFF, 0x00FF, 0 }, { 0x6000030C, 5, 0xFFFFFFFF, 65535 },
	};
	struct fake_rom *r = chip();

	(void)state;
	*from_reg(r, 0x60000308) = 0x1100;
	assert_int_equal(rom_write_regs(&rom, recs, 2), 0);
	assert_int_equal(*from_reg(r, 0x60000308), 0x11FF);
	assert_int_equal(*from_reg(r, 0x6000030C), 5);
	assert_string_equal(r->log, "09 60000308 ffff ff 0;");
	from_free(r);
}

/* ---- connecting ---- */

static void sync_tells_the_rom_from_a_stub(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	assert_int_equal(rom_sync(&rom), 0);
	assert_false(rom.is_stub);
	assert_int_equal(rom.sync_value, ROM_SYNC_VALUE);
	r->is_stub = true;
	assert_int_equal(rom_sync(&rom), 0);
	assert_true(rom.is_stub);
	assert_int_equal(rom.sync_value, 0);
	from_free(r);
}

static void sync_leaves_no_answer_behind(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	(void)esp_fail(&r->fp->port.err, ESP_E_IO, "an old failure, long over");
	assert_int_equal(rom_sync(&rom), 0);
	assert_int_equal(r->fp->n, 0);
	assert_int_equal(rom.in_pos, rom.in_len);
	r->lose_reply = 3;	/* seven are enough */
	assert_int_equal(rom_sync(&rom), 0);
	from_free(r);
}

static int connect_to(struct fake_rom *r, bool try_inverted, unsigned attempts)
{
	struct rom_connect how = { reset_find("nodemcu", RESET_TO_LOADER), 1, attempts,
				   try_inverted };

	r->in_loader = false;
	return rom_connect(&rom, &how);
}

static void a_board_is_reset_measured_and_found(void **state)
{
	struct fake_rom *r = chip();
	uint64_t start = r->fp->now_us;

	(void)state;
	assert_int_equal(connect_to(r, true, 0), 0);
	assert_int_equal(rom.used_flags, 0);
	assert_true(r->fp->now_us - start < 300000);
	assert_true(r->measured);
	from_free(r);
}

static void a_board_that_needs_long_waits_gets_them(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	r->needs_slow = true;
	assert_int_equal(connect_to(r, true, 0), 0);
	assert_int_equal(rom.used_flags, RESET_SLOW);
	from_free(r);
}

static void a_board_that_inverts_is_found_when_allowed(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	r->inverted = true;
	assert_int_equal(connect_to(r, false, 4), ESP_E_TIMEOUT);
	assert_int_equal(connect_to(r, true, 4), 0);
	assert_true(rom.used_flags & RESET_INVERTED);
	from_free(r);
}

static void the_sequences_are_tried_in_turn(void **state)
{
	struct fake_rom *r = chip();
	struct reset_sequence two[2];
	struct rom_connect how = { two, 2, 0, false };

	(void)state;
	two[0] = *reset_find("dtr", RESET_TO_LOADER);
	two[1] = *reset_find("classic", RESET_TO_LOADER);
	r->in_loader = false;
	assert_int_equal(rom_connect(&rom, &how), 0);
	assert_int_equal(rom.used_sequence, 1);
	from_free(r);
}

static void without_a_sequence_no_line_is_touched(void **state)
{
	struct fake_rom *r = chip();
	struct rom_connect how = { NULL, 0, 2, true };

	(void)state;
	assert_int_equal(rom_connect(&rom, &how), 0);
	assert_null(strstr(r->fp->log, "lines"));
	from_free(r);
}

static void all_that_came_before_is_heard(void **state)
{
	static uint8_t text[2000];
	struct fake_port *f = scripted();
	struct rom_connect how = { NULL, 0, 1, false };

	(void)state;
	memset(text, 'x', sizeof text);
	fake_arrive(f, 0, text, sizeof text, 0);
	assert_int_equal(rom_connect(&rom, &how), ESP_E_TIMEOUT);
	assert_int_equal(rom.heard_total, sizeof text);
	assert_int_equal(rom.heard_len, sizeof text);
	fake_free(f);
}

static void silence_is_reported_as_silence(void **state)
{
	struct fake_port *f = scripted();
	struct rom_connect how = { reset_find("nodemcu", RESET_TO_LOADER), 1, 2, true };

	(void)state;
	assert_int_equal(rom_connect(&rom, &how), ESP_E_TIMEOUT);
	assert_true(says("nothing at all was heard"));
	assert_int_equal(rom.heard_len, 0);
	assert_false(rom.heard_echo);
	fake_free(f);
}

static void echo_back(struct fake_port *f, const uint8_t *bytes, size_t len)
{
	fake_arrive(f, 1000, bytes, len, 0);
}

static void an_echo_of_our_own_bytes_is_no_loader(void **state)
{
	struct fake_port *f = scripted();
	struct rom_connect how = { NULL, 0, 2, false };

	(void)state;
	f->on_write = echo_back;
	assert_int_equal(rom_connect(&rom, &how), ESP_E_TIMEOUT);
	assert_true(rom.heard_echo);
	assert_true(says("our own among them"));
	fake_free(f);
}

static void what_a_running_firmware_says_is_kept(void **state)
{
	struct fake_port *f = scripted();
	struct rom_connect how = { NULL, 0, 1, false };
	const char *text = "NodeMCU 3.0.0\r\n> ";

	(void)state;
	fake_arrive(f, 20000, text, strlen(text), 0);
	assert_int_equal(rom_connect(&rom, &how), ESP_E_TIMEOUT);
	assert_int_equal(rom.heard_len, strlen(text));
	assert_int_equal(rom.heard_total, strlen(text));
	assert_memory_equal(rom.heard, text, strlen(text));
	assert_false(rom.heard_echo);
	fake_free(f);
}

/* ---- the rate ---- */

static void the_rate_is_changed_on_both_sides_and_proven(void **state)
{
	static const uint32_t rates[] = { 921600, 230400, 74880, 460800, 115200 };
	struct fake_rom *r = chip();
	uint32_t value;

	(void)state;
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		assert_int_equal(rom_change_baud(&rom, rates[i]), 0);
		assert_int_equal(r->fp->port.baud, rates[i]);
		assert_int_equal(read_magic(&value), 0);
	}
	from_free(r);
}

static void a_rate_that_does_not_work_is_reported(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	r->max_baud = 500000;
	assert_int_equal(rom_change_baud(&rom, 921600), ESP_E_TIMEOUT);
	assert_true(says("no answer at 921600 baud, nor at 115200"));
	assert_int_equal(rom_change_baud(&rom, 0), ESP_E_ARGUMENT);
	from_free(r);
}

static void a_rate_request_that_got_lost_leaves_all_as_it_was(void **state)
{
	struct fake_rom *r = chip();
	uint32_t value;

	(void)state;
	r->lose_request = 2;
	assert_int_equal(rom_change_baud(&rom, 921600), ESP_E_TIMEOUT);
	assert_true(says("staying at 115200"));
	assert_int_equal(r->fp->port.baud, 115200);
	assert_int_equal(read_magic(&value), 0);
	from_free(r);
}

static void a_rate_beyond_the_divisor_is_refused_before_it_is_set(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	*from_reg(r, ROM_UART_CLKDIV) = 5;
	assert_int_equal(rom_change_baud(&rom, 4000000), ESP_E_ARGUMENT);
	assert_null(strstr(r->fp->log, "baud"));
	from_free(r);
}

/* ---- RAM ---- */

static uint8_t code[ROM_BLOCK_MAX * 2 + 999];

static void fill_code(void)
{
	for (size_t i = 0; i < sizeof code; i++)
		code[i] = (uint8_t)(i * 7 ^ i >> 8);
}

static void ram_is_loaded_in_blocks_and_padded(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	fill_code();
	memset(r->iram, 0xEE, sizeof r->iram);
	assert_int_equal(rom_load_ram(&rom, 0x40100000, code, sizeof code), 0);
	assert_memory_equal(r->iram, code, sizeof code);
	assert_int_equal(r->iram[sizeof code], 0);	/* 999 = 4 * 249 + 3 */
	assert_int_equal(r->iram[sizeof code + 1], 0xEE);
	assert_int_equal(rom_load_ram(&rom, 0x3FFE8000, code, 16), 0);
	assert_memory_equal(r->dram, code, 16);
	assert_int_equal(rom_load_ram(&rom, 0x3FFE8000, code, 0), 0);
	from_free(r);
}

static void a_damaged_block_of_ram_is_sent_again(void **state)
{
	(void)state;
	fill_code();
	for (unsigned n = 1; n <= 8; n++) {
		for (int kind = 0; kind < 3; kind++) {
			struct fake_rom *r = chip();
			unsigned *fault[] = { &r->damage_data, &r->lose_request, &r->lose_reply };

			*fault[kind] = n;
			assert_int_equal(rom_load_ram(&rom, 0x40100000, code, sizeof code), 0);
			assert_memory_equal(r->iram, code, sizeof code);
			from_free(r);
		}
	}
}

static void ram_that_the_loader_uses_is_refused(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	assert_int_equal(rom_load_ram(&rom, 0x3FFFA000, code, 4), ESP_E_ARGUMENT);
	assert_int_equal(rom_load_ram(&rom, 0x3FFF9FFC, code, 8), ESP_E_ARGUMENT);
	assert_int_equal(rom_load_ram(&rom, 0x3FFF9FFC, code, 4), 0);
	assert_int_equal(rom_load_ram(&rom, 0x40100002, code, 4), ESP_E_ARGUMENT);
	assert_int_equal(rom_load_ram(&rom, 0x40100000, code, 1 << 20), ESP_E_TOOBIG);
	from_free(r);
}

static void running_code_may_not_answer_and_what_it_says_is_kept(void **state)
{
	static const uint8_t ohai[] = { 0xC0, 'O', 'H', 'A', 'I', 0xC0 };
	struct fake_rom *r = chip();
	struct fake_port *f;
	uint8_t rest[16];

	(void)state;
	r->lose_reply = 1;
	assert_int_equal(rom_run(&rom, 0x40100004), 0);
	assert_int_equal(r->entered, 0x40100004);
	from_free(r);

	f = scripted();
	arrive(f, 500, "c0 01 06 02 00 00 00 00 00 00 00 c0 c0 4f 48 41 49 c0");
	assert_int_equal(rom_run(&rom, 0x40100004), 0);
	assert_int_equal(rom_take_rest(&rom, rest, sizeof rest), sizeof ohai);
	assert_memory_equal(rest, ohai, sizeof ohai);
	assert_int_equal(rom_take_rest(&rom, rest, sizeof rest), 0);
	fake_free(f);
}

/* ---- leaving ---- */

static void booting_the_flash_does_not_lock_it(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	assert_int_equal(rom_boot_flash(&rom), 0);
	assert_true(r->booted);
	assert_int_equal(r->sr[0], 0);
	from_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_register_is_read_with_the_bytes_of_the_book),
		cmocka_unit_test(every_command_is_sent_with_the_bytes_of_the_book),
		cmocka_unit_test(the_table_has_each_command_of_the_rom_once),
		cmocka_unit_test(a_packet_that_is_too_long_is_never_sent),
		cmocka_unit_test(an_address_that_would_hang_the_rom_is_never_sent),
		cmocka_unit_test(a_reply_may_come_byte_by_byte),
		cmocka_unit_test(what_is_no_answer_to_this_is_skipped),
		cmocka_unit_test(an_error_byte_means_nothing_while_the_status_is_0),
		cmocka_unit_test(a_refusal_says_why),
		cmocka_unit_test(a_longer_reply_of_a_stub_is_taken_apart),
		cmocka_unit_test(a_command_that_the_rom_does_not_have_is_recognised),
		cmocka_unit_test(silence_ends_in_time),
		cmocka_unit_test(a_trickle_of_bytes_does_not_move_the_deadline),
		cmocka_unit_test(a_time_out_allows_for_the_transfer),
		cmocka_unit_test(an_erase_may_take_as_long_as_slow_flash_needs),
		cmocka_unit_test(an_old_answer_does_not_make_a_command_unknown),
		cmocka_unit_test(what_came_too_early_is_left_for_who_takes_the_line),
		cmocka_unit_test(patience_is_ten_failures_or_three_silences_in_a_row),
		cmocka_unit_test(a_row_stops_at_what_does_not_fit_a_packet),
		cmocka_unit_test(
			an_answer_in_the_last_millisecond_is_taken_and_none_is_waited_for_after_it),
		cmocka_unit_test(the_longest_reply_is_taken_and_a_longer_one_never),
		cmocka_unit_test(a_port_that_returns_early_is_asked_again_but_not_for_ever),
		cmocka_unit_test(noise_that_takes_no_time_ends_too),
		cmocka_unit_test(damaged_frames_are_counted),
		cmocka_unit_test(writing_is_given_the_time_that_the_line_needs),
		cmocka_unit_test(the_ring_is_used_to_its_last_byte),
		cmocka_unit_test(a_row_without_answers_says_so_when_all_of_it_had_time),
		cmocka_unit_test(all_that_came_before_is_heard),
		cmocka_unit_test(a_row_drops_answers_to_what_it_never_asked),
		cmocka_unit_test(a_row_writes_each_request_once_and_nothing_else),
		cmocka_unit_test(a_clock_that_jumps_over_the_deadline_ends_the_wait),
		cmocka_unit_test(nobody_waits_long_for_a_silent_chip),
		cmocka_unit_test(silence_after_an_erase_ends_soon_after_the_slowest_chip_would_have),
		cmocka_unit_test(flash_begin_erases_as_many_sectors_as_was_observed),
		cmocka_unit_test(a_hostile_peer_cannot_hold_us),
		cmocka_unit_test(a_frame_without_end_uses_no_memory_and_ends_in_time),
		cmocka_unit_test(an_unplugged_port_is_reported_wherever_it_happens),
		cmocka_unit_test(a_lost_answer_is_asked_for_again_in_step),
		cmocka_unit_test(a_late_answer_is_not_taken_for_the_next_one),
		cmocka_unit_test(a_cut_frame_in_the_rom_costs_nothing_after_resync),
		cmocka_unit_test(many_registers_are_read_ahead_but_never_over_the_ring),
		cmocka_unit_test(a_hole_in_a_row_of_answers_is_noticed_and_mended),
		cmocka_unit_test(a_row_stops_at_a_refusal),
		cmocka_unit_test(several_registers_are_written_in_one_packet),
		cmocka_unit_test(sync_tells_the_rom_from_a_stub),
		cmocka_unit_test(sync_leaves_no_answer_behind),
		cmocka_unit_test(a_board_is_reset_measured_and_found),
		cmocka_unit_test(a_board_that_needs_long_waits_gets_them),
		cmocka_unit_test(a_board_that_inverts_is_found_when_allowed),
		cmocka_unit_test(the_sequences_are_tried_in_turn),
		cmocka_unit_test(without_a_sequence_no_line_is_touched),
		cmocka_unit_test(silence_is_reported_as_silence),
		cmocka_unit_test(an_echo_of_our_own_bytes_is_no_loader),
		cmocka_unit_test(what_a_running_firmware_says_is_kept),
		cmocka_unit_test(the_rate_is_changed_on_both_sides_and_proven),
		cmocka_unit_test(a_rate_that_does_not_work_is_reported),
		cmocka_unit_test(a_rate_request_that_got_lost_leaves_all_as_it_was),
		cmocka_unit_test(a_rate_beyond_the_divisor_is_refused_before_it_is_set),
		cmocka_unit_test(ram_is_loaded_in_blocks_and_padded),
		cmocka_unit_test(a_damaged_block_of_ram_is_sent_again),
		cmocka_unit_test(ram_that_the_loader_uses_is_refused),
		cmocka_unit_test(running_code_may_not_answer_and_what_it_says_is_kept),
		cmocka_unit_test(booting_the_flash_does_not_lock_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
