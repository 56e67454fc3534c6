/* The stub's host side against a chip that sends anything. The first byte
 * chooses what is asked of it, and whether the chip says it all over and over,
 * as fast as a network carries it, and whether there are lower rates. Frames of the
 * input get the right CRC and the tag that is waited for, or go to the host as they
 * are.
 * fuzz-sources: src/loader/stub*.c src/loader/slip.c src/loader/reset.c src/loader/rom.c src/loader/rom_connect.c src/loader/rom_calls.c src/port/port.c src/esp_err.c src/embed.c -ldeflate
 */
#include "../../src/embed.h"
#include "../../src/loader/stub_impl.h"

#include "../../src/bytes.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No port is opened by name here, and no stub is inside. */
const struct embed_file embed_files[] = { { NULL, NULL, NULL } };

int port_serial_open(struct port *p, const char *path, uint32_t baud)
{
	(void)path;
	(void)baud;
	return esp_fail(&p->err, ESP_E_MISSING, "none");
}

int port_sim_open(struct port *p, const char *rest, uint32_t baud)
{
	return port_serial_open(p, rest, baud);
}

int port_remote_open(struct port *p, const char *rest, uint32_t baud)
{
	return port_serial_open(p, rest, baud);
}

/* Whatever it says, so soon it is over: 20 s without anything new, and what is tried
 * before and after. Only a stub that is met again may be busy with the longest of
 * all erases. */
enum { LIMIT_MS = 40000, ATTACH_MS = STUB_CHIP_ERASE_MS + 10000 };

enum { OVER_AND_OVER = 4, AT_ONCE = 8, SLOWER = 16 };

static struct device {
	const uint8_t *data;
	size_t left, size;
	unsigned mood;
	uint64_t now_us;
	uint8_t op;
	uint16_t seq;		/* of the last frame that the host sent */
} dev;
static struct stub stub;

static void check(int holds)
{
	if (!holds)
		abort();
}

static int dev_read(struct port *p, void *buf, size_t cap, uint32_t timeout_ms)
{
	uint8_t frame[300];
	size_t n;
	int out;

	(void)p;
	check(cap >= 1);
	if (dev.left < 2 && dev.mood & OVER_AND_OVER) {
		dev.data -= dev.size - dev.left;
		dev.left = dev.size;
	}
	/* A line has sent the next bytes only after a while. */
	if (dev.left < 2 || cap < 1024 || (timeout_ms == 0 && !(dev.mood & AT_ONCE))) {
		dev.now_us += timeout_ms * 1000ull + 1;
		return 0;
	}
	n = dev.data[1] < dev.left - 2 ? dev.data[1] : dev.left - 2;
	memcpy(frame, dev.data + 2, n);
	if (dev.data[0] & 1 && n >= WIRE_HEADER) {
		if (dev.data[0] & 2)
			frame[WIRE_OP] = dev.op | WIRE_REPLY;
		if (dev.data[0] & 4)
			put_le16(frame + WIRE_SEQ, dev.seq);
		put_le32(frame + n, libdeflate_crc32(0, frame, n));
		out = slip_encode(buf, cap, frame, n + 4);
	} else {
		memcpy(buf, frame, n);
		out = (int)n;
	}
	dev.data += n + 2;
	dev.left -= n + 2;
	if (out <= 0)
		dev.now_us += timeout_ms * 1000ull;
	dev.now_us += (dev.mood & AT_ONCE ? 4 : 87) * (uint64_t)(out < 0 ? 0 : out) + 1;
	return out < 0 ? 0 : out;
}

static int dev_write(struct port *p, const void *buf, size_t len, uint32_t timeout_ms)
{
	const uint8_t *b = buf;

	(void)p;
	(void)timeout_ms;
	if (len > 4) {
		dev.op = b[1];
		dev.seq = get_le16(b + 3);
	}
	dev.now_us += 87 * len;
	return (int)len;
}

static int dev_wait(struct port *p, uint32_t ms)
{
	(void)p;
	dev.now_us += ms * 1000ull;
	return 0;
}

static int dev_drain(struct port *p, uint32_t timeout_ms)
{
	(void)p;
	(void)timeout_ms;	/* dev_write() took the time already */
	return 0;
}

static int dev_set_baud(struct port *p, uint32_t baud)
{
	(void)p;
	check(baud > 0 && baud <= PORT_MAX_BAUD);
	return 0;
}

static int dev_flush(struct port *p)
{
	(void)p;
	return 0;
}

static uint64_t dev_now(struct port *p)
{
	(void)p;
	return dev.now_us;
}

static void dev_close(struct port *p)
{
	(void)p;
}

static int ask(unsigned what)
{
	static uint8_t buf[70000];
	static uint32_t crc[64];
	struct stub_info info;
	struct stub_digest d;

	switch (what % 9) {
	case 0: return stub_attach(&stub);
	case 1: return stub_info(&stub, &info);
	case 2: return stub_hashes(&stub, 4096, 64 * 4096 - 100, crc);
	case 3: return stub_read(&stub, 100, buf, sizeof buf, NULL);
	case 4: return stub_write(&stub, 0, buf, sizeof buf, NULL);
	case 5: return stub_erase(&stub, 0, 65536, NULL);
	case 6: return stub_set_baud(&stub, 230400, 0);
	case 7: return stub_mem_read(&stub, 0x3ffe8000, buf, 3000);
	default: return stub_digest(&stub, 0, 4096, &d);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct port_ops ops = { .kind = "test", .features = PORT_IS_VIRTUAL,
		.read = dev_read, .write = dev_write, .drain = dev_drain, .flush = dev_flush,
		.set_baud = dev_set_baud, .sleep = dev_wait, .now_us = dev_now,
		.close = dev_close };
	static const uint32_t slower[] = { 57600, 9600 };
	struct port port;

	if (size < 1)
		return 0;
	port_init(&port);
	port.ops = &ops;
	port.baud = 115200;
	dev = (struct device){ data + 1, size - 1, size - 1, data[0] / 9u, 1000000, 0, 0 };
	stub_init(&stub, &port);
	stub.hello = (struct stub_hello){ 1, 24, 1024, 4096, 0, 16384, 451 };
	stub.deflate = libdeflate_alloc_compressor(1);
	stub.piece = 1024;
	stub.chunk_log2 = STUB_CHUNK_LOG2_MAX;
	stub_window_init(&stub, 100);
	if (dev.mood & SLOWER)
		stub_allow_slower(&stub, slower, 2);
	(void)ask(data[0]);
	check(dev.now_us < 1000ull * (data[0] % 9 ? LIMIT_MS : ATTACH_MS));
	stub_close(&stub);
	return 0;
}
