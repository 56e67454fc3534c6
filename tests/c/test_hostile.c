/* Chips and servers that lie to the whole program: each run ends in time, with
 * the exit code that the manual has for it, in little memory, and nothing that a
 * terminal would obey is printed. All of them run at once, before the first test
 * looks at what came of it. */
#include "hostile_chip.h"
#include "port/gio.h"
#include "rfc2217_peer.h"

#include <libgen.h>
#include <md5.h>
#include <sys/resource.h>

#define SECONDS_MAX 16		/* a connection is tried for 6 s; the machine is busy */
#define KILL_MS 60000u
#define MEMORY_MAX_KB (64 * 1024)
#define SAID_MAX (1 << 20)
#define ATONCE 24

enum { OP_MEM_END = 6, OP_SYNC = 8, OP_REGISTERS = 9, OP_REGISTER = 10, OP_MD5 = 0x13,
	OP_READ = 0xd2 };

/* ---- chips that say what they like ---- */

static void over_and_over(struct hostile *h, const void *data, size_t len)
{
	uint8_t block[2048], trash[4096];
	size_t n = 0;

	while (n + len <= sizeof block) {
		memcpy(block + n, data, len);
		n += len;
	}
	for (;;) {
		hc_say(h, block, n);
		hc_hear(h, trash, sizeof trash, 1);
	}
}

static void silence(struct hostile *h)
{
	uint8_t trash[4096];

	for (;;)
		hc_hear(h, trash, sizeof trash, 100);
}

static void endless_55(struct hostile *h) { over_and_over(h, "\x55", 1); }
static void endless_c0(struct hostile *h) { over_and_over(h, "\xc0", 1); }
static void other_commands(struct hostile *h)
{
	over_and_over(h, "\xc0\1\x0f\2\0\0\0\0\0\0\0\xc0", 12);
}
static void sync_replies(struct hostile *h)
{
	over_and_over(h, "\xc0\1\x08\2\0\7\x07\x12\x20\0\0\xc0", 12);
}
static void bad_escapes(struct hostile *h) { over_and_over(h, "\xc0\xdb\0\xdb\xc0", 5); }
static void terminal_commands(struct hostile *h)
{
	static const char text[] = "\33[2J\33]0;owned\7\33[31mrst cause:2, boot mode:(1,6)\33P\r\n\x9b" "2J";

	over_and_over(h, text, sizeof text - 1);
}

/* As fast as it is taken: 1 GiB, were there time. */
static void one_frame_of_a_gigabyte(struct hostile *h)
{
	static uint8_t block[1 << 16];

	memset(block, 'A', sizeof block);
	hc_say(h, "\xc0", 1);
	for (int i = 0; i < 16384; i++)
		hc_say(h, block, sizeof block);
	silence(h);
}

static void noise(struct hostile *h)
{
	uint8_t block[512], trash[4096];
	uint32_t x = 1;

	for (;;) {
		for (size_t i = 0; i < sizeof block; i++) {
			x = x * 1664525u + 1013904223u;
			block[i] = (uint8_t)(x >> 24);
		}
		hc_say(h, block, sizeof block);
		hc_hear(h, trash, sizeof trash, 2);
	}
}

static void echo(struct hostile *h)
{
	uint8_t buf[4096];

	for (;;)
		hc_say(h, buf, hc_hear(h, buf, sizeof buf, 100));
}

/* A right answer, a byte a second. */
static void slow_answer(struct hostile *h)
{
	static const uint8_t reply[] = { 0xc0, 1, 8, 2, 0, 7, 7, 0x12, 0x20, 0, 0, 0xc0 };
	uint8_t trash[4096];

	for (size_t i = 0;; i++) {
		hc_say(h, &reply[i % sizeof reply], 1);
		for (int n = 0; n < 10; n++)
			hc_hear(h, trash, sizeof trash, 100);
	}
}

static void hangs_up(struct hostile *h)
{
	uint8_t trash[4096];

	while (hc_hear(h, trash, sizeof trash, 100) == 0)
		;
	hc_say(h, "\xc0\1\x08\2", 4);
	_exit(0);
}

/* ---- chips whose answers are changed ---- */

static void pass(struct hostile *h, uint8_t *frame, size_t len)
{
	hc_say_frame(h, frame, len);
}

static bool is_sync(const uint8_t *frame, size_t len)
{
	return hc_rom_op(frame, len) == 8;
}

static void lie_other_op(struct hostile *h, uint8_t *frame, size_t len)
{
	if (hc_rom_op(frame, len) && !is_sync(frame, len))
		frame[1] ^= 0x20;
	pass(h, frame, len);
}

static void lie_direction(struct hostile *h, uint8_t *frame, size_t len)
{
	if (hc_rom_op(frame, len) && !is_sync(frame, len))
		frame[0] = 0;
	pass(h, frame, len);
}

static void lie_size_field(struct hostile *h, uint8_t *frame, size_t len)
{
	if (hc_rom_op(frame, len) && !is_sync(frame, len))
		frame[2] = frame[3] = 0xff;
	pass(h, frame, len);
}

static void lie_always_refuses(struct hostile *h, uint8_t *frame, size_t len)
{
	if (hc_rom_op(frame, len) && !is_sync(frame, len)) {
		frame[len - 2] = 1;
		frame[len - 1] = 7;
	}
	pass(h, frame, len);
}

static void lie_cut_short(struct hostile *h, uint8_t *frame, size_t len)
{
	pass(h, frame, is_sync(frame, len) ? len : len - 3);
}

static void lie_one_byte(struct hostile *h, uint8_t *frame, size_t len)
{
	pass(h, frame, is_sync(frame, len) ? len : 1);
}

static void lie_too_long(struct hostile *h, uint8_t *frame, size_t len)
{
	static uint8_t big[7000];

	if (!hc_rom_op(frame, len) || is_sync(frame, len)) {
		pass(h, frame, len);
		return;
	}
	memcpy(big, frame, len);
	big[2] = (uint8_t)((sizeof big - 8) & 0xff);
	big[3] = (uint8_t)((sizeof big - 8) >> 8);
	pass(h, big, sizeof big);
}

/* The register that says which chip it is: an ESP32's. */
static void lie_esp32(struct hostile *h, uint8_t *frame, size_t len)
{
	if (hc_rom_op(frame, len) == 10 && hc_get32(frame + 4) == 0xFFF0C101u)
		hc_put32(frame + 4, 0x00F01D83u);
	pass(h, frame, len);
}

static void lie_registers_of_ones(struct hostile *h, uint8_t *frame, size_t len)
{
	if (hc_rom_op(frame, len) == 10)
		hc_put32(frame + 4, 0xffffffffu);
	pass(h, frame, len);
}

static void lie_registers_of_zeros(struct hostile *h, uint8_t *frame, size_t len)
{
	if (hc_rom_op(frame, len) == OP_REGISTER)
		hc_put32(frame + 4, 0);
	pass(h, frame, len);
}

static void lie_registers_of_chance(struct hostile *h, uint8_t *frame, size_t len)
{
	static uint32_t x = 1;

	x = x * 1664525u + 1013904223u;
	if (hc_rom_op(frame, len) == OP_REGISTER)
		hc_put32(frame + 4, x ^ x >> 16);
	pass(h, frame, len);
}

static void lie_fifty_times(struct hostile *h, uint8_t *frame, size_t len)
{
	for (int i = 0; i < 50; i++)
		pass(h, frame, len);
}

static void lie_terminal_commands(struct hostile *h, uint8_t *frame, size_t len)
{
	hc_say(h, "\33[2J\33]0;owned\7", 14);
	pass(h, frame, len);
}

static void lie_hello_absurd(struct hostile *h, uint8_t *frame, size_t len)
{
	if (hc_stub_op(frame, len) != WIRE_HELLO) {
		pass(h, frame, len);
		return;
	}
	memset(frame + WIRE_HEADER, 0xff, len - WIRE_HEADER - WIRE_CRC);
	hc_say_stub(h, frame, len);
}

static void lie_hello_zero(struct hostile *h, uint8_t *frame, size_t len)
{
	if (hc_stub_op(frame, len) == WIRE_HELLO)
		memset(frame + WIRE_HEADER + 2, 0, len - WIRE_HEADER - WIRE_CRC - 2);
	if (hc_stub_op(frame, len))
		hc_say_stub(h, frame, len);
	else
		pass(h, frame, len);
}

static void lie_garbage_after_hello(struct hostile *h, uint8_t *frame, size_t len)
{
	bool hello = hc_stub_op(frame, len) == WIRE_HELLO;

	pass(h, frame, len);
	if (hello)
		noise(h);
}

static void lie_sequence(struct hostile *h, uint8_t *frame, size_t len)
{
	int op = hc_stub_op(frame, len);

	if (op && op != WIRE_HELLO)
		frame[WIRE_SEQ]++;
	if (op)
		hc_say_stub(h, frame, len);
	else
		pass(h, frame, len);
}

/* Changes payload bytes of replies to one query. */
static void change_payload(struct hostile *h, uint8_t *frame, size_t len, int op)
{
	if (hc_stub_op(frame, len) != op || len == WIRE_HEADER + WIRE_CRC) {
		pass(h, frame, len);
		return;
	}
	frame[WIRE_HEADER] ^= 1;
	hc_say_stub(h, frame, len);
}


static void lie_hashes(struct hostile *h, uint8_t *frame, size_t len)
{
	change_payload(h, frame, len, WIRE_HASH);
}

static void lie_read_data(struct hostile *h, uint8_t *frame, size_t len)
{
	change_payload(h, frame, len, WIRE_READ);
}

/* Absurd addresses and lengths in the headers of replies that carry much. */
static void lie_ranges(struct hostile *h, uint8_t *frame, size_t len)
{
	int op = hc_stub_op(frame, len);

	if (op == WIRE_READ || op == WIRE_HASH || op == WIRE_DIGEST) {
		hc_put32(frame + WIRE_ADDR, 0xfffffff0u);
		hc_put32(frame + WIRE_LEN, 0x80000000u);
		hc_say_stub(h, frame, len);
	} else {
		pass(h, frame, len);
	}
}

static void lie_info_short(struct hostile *h, uint8_t *frame, size_t len)
{
	if (hc_stub_op(frame, len) == WIRE_INFO)
		hc_say_stub(h, frame, WIRE_HEADER + 5 + WIRE_CRC);
	else
		pass(h, frame, len);
}

/* All is done, far ahead of what was ever sent. */
static void lie_status(struct hostile *h, uint8_t *frame, size_t len)
{
	if (hc_stub_op(frame, len) == WIRE_STATUS) {
		frame[WIRE_SEQ] ^= 0x80;
		memset(frame + WIRE_HEADER, 0xff, WIRE_STATE_ECHO);
		hc_say_stub(h, frame, len);
	} else {
		pass(h, frame, len);
	}
}

/* ---- somebody's stub that lies ----
 *
 * The chip's ROM takes it and is then told nothing of its start: registers are its
 * still, the stub's own commands are answered here. */

/* With the value and the data of an answer without error. */
static void say_done(struct hostile *h, uint8_t op, uint32_t value, const void *data, size_t len)
{
	uint8_t frame[8 + 64 + 2] = { 1, op, (uint8_t)(len + 2), 0 };

	hc_put32(frame + 4, value);
	if (len > 0)
		memcpy(frame + 8, data, len);
	hc_say_frame(h, frame, 8 + len + 2);
}

static const uint8_t *flash_of(struct hostile *h, uint32_t at, uint32_t n)
{
	uint32_t size;
	uint8_t *flash = chip_flash(port_sim_chip(&h->sim), &size);

	if (at > size || n > size - at)
		_exit(1);
	return flash + at;
}

/* The next piece; nobody looks at the digest at the end. */
static void say_piece(struct hostile *h)
{
	uint32_t left = h->read_end - h->read_at, n = left < 4096 ? left : 4096;

	if (h->reads_nothing)
		return;
	hc_say_frame(h, flash_of(h, h->read_at, n), n ? n : 16);
	h->read_at += n;
}

static void digest_flash(struct hostile *h, const uint8_t *frame, uint8_t digest[16])
{
	uint32_t n = hc_get32(frame + 12);
	const uint8_t *flash = flash_of(h, hc_get32(frame + 8), n);
	MD5_CTX md5;

	MD5Init(&md5);
	MD5Update(&md5, flash, n);
	MD5Final(digest, &md5);
}

/* Starts as a stub does; then all is done at once, and nothing in truth. */
static bool be_stub(struct hostile *h, const uint8_t *frame, size_t len)
{
	uint8_t digest[64] = { 0 };

	if (!h->is_stub) {
		h->is_stub = len >= 16 && frame[1] == OP_MEM_END && hc_get32(frame + 12) != 0;
		if (h->is_stub) {
			say_done(h, OP_MEM_END, 0, NULL, 0);
			hc_say_frame(h, (const uint8_t *)"OHAI", 4);
		}
		return h->is_stub;
	}
	if (frame[1] == OP_REGISTER || frame[1] == OP_REGISTERS)
		return false;
	if (len == 4) {		/* a piece of flash has arrived */
		say_piece(h);
	} else if (frame[1] == OP_READ && len >= 16) {
		say_done(h, OP_READ, 0, NULL, 0);
		h->read_at = hc_get32(frame + 8);
		h->read_end = h->read_at + hc_get32(frame + 12);
		say_piece(h);
	} else if (frame[1] == OP_SYNC) {
		for (int i = 0; i < 8; i++)
			say_done(h, OP_SYNC, 0, NULL, 0);
	} else if (frame[1] == OP_MD5 && len >= 16) {
		digest_flash(h, frame, digest);
		if (h->change)
			h->change(digest);
		say_done(h, OP_MD5, 0, digest, h->digest_len);
	} else {
		say_done(h, frame[1], 0, NULL, 0);
	}
	return true;
}

/* From the ROM's first answer on; `length` bytes of the `change`d digest are told. */
static void lie_as_stub(struct hostile *h, uint8_t *frame, size_t len, size_t length,
			void (*change)(uint8_t *digest))
{
	h->ask = be_stub;
	h->digest_len = length;
	h->change = change;
	pass(h, frame, len);
}

static void change_a_bit(uint8_t *digest) { digest[7] ^= 1; }
static void change_each_time(uint8_t *digest)
{
	static uint8_t n;

	memset(digest, ++n, 16);
}

static void lie_writes_nothing(struct hostile *h, uint8_t *frame, size_t len)
{
	lie_as_stub(h, frame, len, 16, NULL);
}

static void lie_digests_wrong(struct hostile *h, uint8_t *frame, size_t len)
{
	lie_as_stub(h, frame, len, 16, change_a_bit);
}

static void lie_digests_never_equal(struct hostile *h, uint8_t *frame, size_t len)
{
	lie_as_stub(h, frame, len, 16, change_each_time);
}

static void lie_digests_short(struct hostile *h, uint8_t *frame, size_t len)
{
	lie_as_stub(h, frame, len, 15, NULL);
}

static void lie_digests_long(struct hostile *h, uint8_t *frame, size_t len)
{
	lie_as_stub(h, frame, len, 17, NULL);
}

static void lie_digests_much_longer(struct hostile *h, uint8_t *frame, size_t len)
{
	lie_as_stub(h, frame, len, 64, NULL);
}

static void lie_reads_nothing(struct hostile *h, uint8_t *frame, size_t len)
{
	h->reads_nothing = true;
	lie_as_stub(h, frame, len, 16, NULL);
}

/* ---- running ---- */

#define EXIT(code) (1u << (code))

struct peer_case {
	const char *name;
	void (*chip)(struct hostile *h);			/* one of these ... */
	void (*lie)(struct hostile *h, uint8_t *frame, size_t len);
	enum peer_mood mood;					/* ... or a server */
	const char *words[6];
	unsigned exits;						/* allowed, as bits */
	int seconds;			/* at most; 0: SECONDS_MAX; else with HOSTILE_ALL only */
};

#define INFO { "info" }
#define WRITE { "write", "0x0", "examples/hello/hello.bin" }
#define READ { "read", "0x0", "64k", NULL /* a file */ }
#define STUB_FILE "tests/data/stub-that-loops.json"
#define STUB_WRITE { "--stub", STUB_FILE, "write", "0x0", "examples/hello/hello.bin" }

static const struct peer_case cases[] = {
	{ "silence", silence, NULL, 0, INFO, EXIT(4), 0 },
	{ "endless 0x55", endless_55, NULL, 0, INFO, EXIT(4), 0 },
	{ "endless ends of frames", endless_c0, NULL, 0, INFO, EXIT(4), 0 },
	{ "one frame of a gigabyte", one_frame_of_a_gigabyte, NULL, 0, INFO, EXIT(4), 0 },
	{ "noise", noise, NULL, 0, INFO, EXIT(4), 0 },
	{ "what was sent comes back", echo, NULL, 0, INFO, EXIT(4), 0 },
	{ "endless replies to another command", other_commands, NULL, 0, INFO, EXIT(4), 0 },
	{ "endless replies to SYNC", sync_replies, NULL, 0, INFO, EXIT(4) | EXIT(5), 0 },
	{ "endless broken escapes", bad_escapes, NULL, 0, INFO, EXIT(4), 0 },
	{ "endless commands to the terminal", terminal_commands, NULL, 0, INFO, EXIT(4), 0 },
	{ "a right answer, a byte a second", slow_answer, NULL, 0, INFO, EXIT(4), 0 },
	{ "hangs up in its first answer", hangs_up, NULL, 0, WRITE, EXIT(3), 0 },

	{ "every answer to another command", NULL, lie_other_op, 0, INFO, EXIT(4), 0 },
	{ "every answer a question", NULL, lie_direction, 0, INFO, EXIT(4), 0 },
	{ "absurd size fields", NULL, lie_size_field, 0, INFO, EXIT(4), 0 },
	{ "refuses everything", NULL, lie_always_refuses, 0, WRITE, EXIT(4), 0 },
	{ "every answer cut short", NULL, lie_cut_short, 0, INFO, EXIT(4), 0 },
	{ "answers of one byte", NULL, lie_one_byte, 0, WRITE, EXIT(4), 0 },
	{ "answers of 7000 bytes", NULL, lie_too_long, 0, INFO, EXIT(4), 0 },
	{ "says that it is an ESP32", NULL, lie_esp32, 0, WRITE, EXIT(5), 0 },
	{ "registers full of ones", NULL, lie_registers_of_ones, 0, WRITE, EXIT(4) | EXIT(5), 0 },
	{ "registers full of zeros", NULL, lie_registers_of_zeros, 0, WRITE, EXIT(4) | EXIT(5), 0 },
	{ "registers of chance", NULL, lie_registers_of_chance, 0, WRITE, EXIT(4) | EXIT(5), 0 },
	{ "every answer fifty times", NULL, lie_fifty_times, 0, INFO, EXIT(0) | EXIT(4) | EXIT(5), 0 },
	{ "commands to the terminal before every answer", NULL, lie_terminal_commands, 0, INFO,
	  EXIT(0) | EXIT(4), 0 },
	{ "the stub's hello is absurd", NULL, lie_hello_absurd, 0, WRITE, EXIT(4), 0 },
	{ "the stub's hello is empty", NULL, lie_hello_zero, 0, WRITE, EXIT(4), 0 },
	{ "noise after the stub's hello", NULL, lie_garbage_after_hello, 0, INFO, EXIT(4), 0 },
	{ "the stub echoes other tags", NULL, lie_sequence, 0, WRITE, EXIT(4), 0 },
	{ "the stub's hashes are wrong", NULL, lie_hashes, 0, WRITE, EXIT(8), 0 },
	{ "the stub's flash data are damaged", NULL, lie_read_data, 0, READ, EXIT(0) | EXIT(4),
	  40 },
	{ "the stub answers for other addresses", NULL, lie_ranges, 0, READ, EXIT(4), 0 },
	{ "the stub's info is short", NULL, lie_info_short, 0, INFO, EXIT(4), 0 },
	{ "the stub did what it was not told yet", NULL, lie_status, 0, WRITE, EXIT(4) | EXIT(8),
	  40 },

	{ "somebody's stub writes nothing", NULL, lie_writes_nothing, 0, STUB_WRITE, EXIT(8), 0 },
	{ "somebody's stub: digests off by a bit", NULL, lie_digests_wrong, 0, STUB_WRITE, EXIT(4),
	  0 },
	{ "somebody's stub: digests never equal", NULL, lie_digests_never_equal, 0, STUB_WRITE,
	  EXIT(4), 0 },
	{ "somebody's stub: digests of 15 bytes", NULL, lie_digests_short, 0, STUB_WRITE, EXIT(4), 0 },
	{ "somebody's stub: digests of 17 bytes", NULL, lie_digests_long, 0, STUB_WRITE, EXIT(4), 0 },
	{ "somebody's stub: digests of 64 bytes", NULL, lie_digests_much_longer, 0, STUB_WRITE,
	  EXIT(4), 40 },
	{ "somebody's stub reads nothing", NULL, lie_reads_nothing, 0, STUB_WRITE, EXIT(4), 40 },

	{ "a server of a byte a second", NULL, NULL, PEER_DRIPS, INFO, EXIT(4), 0 },
	{ "a silent server", NULL, NULL, PEER_SILENT, INFO, EXIT(4), 0 },
	{ "a server that answers nothing", NULL, NULL, PEER_MUTE, INFO, EXIT(4), 0 },
	{ "a server without serial control", NULL, NULL, PEER_REFUSES, INFO, EXIT(4), 0 },
	{ "a server that negotiates without end", NULL, NULL, PEER_MAD, INFO, EXIT(3) | EXIT(4), 0 },
	{ "a server that sends without end", NULL, NULL, PEER_FLOOD, INFO, EXIT(4), 0 },
	{ "a server that hangs up while negotiating", NULL, NULL, PEER_CLOSES_AT_ONCE, INFO, EXIT(3), 0 },
	{ "a server that hangs up later", NULL, NULL, PEER_CLOSES, INFO, EXIT(3), 0 },
	{ "a server that sets another rate", NULL, NULL, PEER_OTHER_RATE, INFO, EXIT(3) | EXIT(4), 0 },
};

enum { CASES = sizeof cases / sizeof cases[0] };

struct run {
	struct pty pty;
	struct peer server;
	pid_t chip, program;
	char said[64], file[64], url[96];
	uint64_t start;
	bool ended;
	int status;
	double seconds;
	long memory_kb;
};

static struct {
	char program[512];
	struct run run[CASES];
	bool has_gensio;
} all;

static void start_chip(const struct peer_case *c, struct run *r)
{
	static struct hostile h;

	pty_open(&r->pty);
	hc_make_raw(r->pty.master);
	r->chip = fork();
	if (r->chip == 0) {
		alarm(60);
		h.lie = c->lie;
		h.master = r->pty.master;
		if (c->chip)
			c->chip(&h);
		hc_bridge(&h);
		_exit(0);
	}
	close(r->pty.master);
	_Static_assert(sizeof r->url >= sizeof r->pty.path, "a path fits");
	memcpy(r->url, r->pty.path, sizeof r->pty.path);
}

static void start_server(const struct peer_case *c, struct run *r)
{
	peer_start(&r->server, c->mood);
	snprintf(r->url, sizeof r->url, "rfc2217://127.0.0.1:%d", r->server.port);
}

static void become_program(const struct peer_case *c, const struct run *r)
{
	/* One rate only: a chip without reset wires measures it once. */
	const char *argv[12] = { all.program, "-p", r->url, "-b", "115200" };
	int fd = open(r->said, O_WRONLY | O_CREAT | O_TRUNC, 0600), n = 5;

	for (int i = 0; i < 5 && c->words[i]; i++)
		argv[n++] = c->words[i];
	if (strcmp(c->words[0], "read") == 0)
		argv[n++] = r->file;
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (c->lie)
		nap_ms(400);	/* until the chip is in its loader: it measures the rate there */
	/* The library behind rfc2217:// forgets some bytes; others look for leaks. */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	unsetenv("MOONFLASH_PORT");
	unsetenv("MOONFLASH_BAUD");
	execv(all.program, (char **)argv);
	_exit(99);
}

static void start(const struct peer_case *c, struct run *r)
{
	snprintf(r->said, sizeof r->said, "/tmp/test_hostile_%ld_%d", (long)getpid(),
		 (int)(c - cases));
	snprintf(r->file, sizeof r->file, "/tmp/test_hostile_%ld_%d.out", (long)getpid(),
		 (int)(c - cases));
	if (c->mood)
		start_server(c, r);
	else
		start_chip(c, r);
	r->start = ms_now();
	r->program = fork();
	if (r->program == 0)
		become_program(c, r);
}

static void stop(struct run *r)
{
	if (r->chip > 0) {
		kill(r->chip, SIGKILL);
		child_code(r->chip);
		r->chip = 0;
	}
	peer_stop(&r->server);
}

/* Looks after one that runs. */
static void look(struct run *r)
{
	struct rusage use;

	if (wait4(r->program, &r->status, WNOHANG, &use) == r->program) {
		r->ended = true;
		r->memory_kb = use.ru_maxrss;
		r->seconds = (double)(ms_now() - r->start) / 1000;
		stop(r);
	} else if (ms_now() - r->start > KILL_MS) {
		kill(r->program, SIGKILL);
	}
}

/* HOSTILE_ONLY=part of a name leaves the others out; HOSTILE_ALL=1 takes those in
 * that make the program try hard and long. */
static bool is_wanted(const struct peer_case *c)
{
	const char *only = getenv("HOSTILE_ONLY");

	if ((only && !strstr(c->name, only)) || (c->seconds && !getenv("HOSTILE_ALL")))
		return false;
	return !c->mood || all.has_gensio;
}

static int run_all(void **state)
{
	int started = 0, ended = 0, i;
	struct esp_error err;
	struct gio g;

	(void)state;
	all.has_gensio = gio_load(&g, &err) >= 0;
	while (ended < CASES) {
		for (; started < CASES && started - ended < ATONCE; started++) {
			if (is_wanted(&cases[started]))
				start(&cases[started], &all.run[started]);
			else
				all.run[started].ended = true;
		}
		for (i = ended = 0; i < started; i++) {
			if (!all.run[i].ended)
				look(&all.run[i]);
			ended += all.run[i].ended;
		}
		nap_ms(5);
	}
	return 0;
}

/* ---- judging ---- */

/* The first byte of what was printed that a terminal takes for more than text. */
static const char *unprintable(const char *said, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((said[i] & 0x60) == 0 && !strchr("\n\r\t", said[i]))
			return said + i;
	return NULL;
}

static void judge(void **state)
{
	const struct peer_case *c = *state;
	struct run *r = &all.run[c - cases];
	static char said[SAID_MAX];
	FILE *f;
	size_t len;
	int code;

	if (!is_wanted(c))
		skip();
	f = fopen(r->said, "rb");
	assert_non_null(f);
	len = fread(said, 1, sizeof said - 1, f);
	said[len] = '\0';
	fclose(f);
	unlink(r->said);
	if (!WIFEXITED(r->status))
		fail_msg("killed by signal %d after %.1f s:\n%s", WTERMSIG(r->status), r->seconds, said);
	code = WEXITSTATUS(r->status);
	if (code > 9 || !(c->exits & EXIT(code)))
		fail_msg("exit %d after %.1f s:\n%s", code, r->seconds, said);
	if (unprintable(said, len))
		fail_msg("prints control characters at %ld", (long)(unprintable(said, len) - said));
	if (strstr(said, "traceback") || (code != 0 && !strstr(said, "moonflash: ")))
		fail_msg("exit %d, says:\n%s", code, said);
	if (code != 0 && access(r->file, F_OK) == 0)
		fail_msg("a file is left behind");
	unlink(r->file);
	if (r->seconds > (c->seconds ? c->seconds : SECONDS_MAX))
		fail_msg("%.1f s:\n%s", r->seconds, said);
	if (r->memory_kb > MEMORY_MAX_KB)
		fail_msg("%ld KB", r->memory_kb);
	if (getenv("HOSTILE_VERBOSE"))
		print_message("# %s: exit %d, %.1f s, %ld KB: %s", c->name, code, r->seconds,
			      r->memory_kb, said);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[CASES];
	char self[256];

	(void)argc;
	snprintf(self, sizeof self, "%s", argv[0]);
	snprintf(all.program, sizeof all.program, "%s/../moonflash", dirname(self));
	if (getenv("MOONFLASH"))
		snprintf(all.program, sizeof all.program, "%s", getenv("MOONFLASH"));
	for (int i = 0; i < CASES; i++)
		tests[i] = (struct CMUnitTest){ cases[i].name, judge, NULL, NULL,
			(void *)(uintptr_t)&cases[i] };
	return _cmocka_run_group_tests("hostile", tests, CASES, run_all, NULL);
}
