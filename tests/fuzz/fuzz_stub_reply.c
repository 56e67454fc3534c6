/* The stub's host side against a chip that sends anything. The first byte
 * chooses what is asked of it. Frames of the input get the right CRC and the
 * tag that is waited for, or go to the host as they are.
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

static struct device {
	const uint8_t *data;
	size_t left;
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
	if (dev.left < 2 || cap < 1024) {
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
	dev.now_us += 87 * (uint64_t)(out < 0 ? 0 : out) + 1;
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
	static const struct port_ops ops = { "test", PORT_IS_VIRTUAL, dev_read, dev_write,
		dev_wait, dev_flush, dev_wait, NULL, NULL, dev_wait, dev_now, dev_close };
	struct port port;

	if (size < 1)
		return 0;
	port_init(&port);
	port.ops = &ops;
	port.baud = 115200;
	dev = (struct device){ data + 1, size - 1, 1000000, 0, 0 };
	stub_init(&stub, &port);
	stub.hello = (struct stub_hello){ 1, 24, 1024, 4096, 0, 16384, 451 };
	stub.deflate = libdeflate_alloc_compressor(1);
	stub.piece = 1024;
	stub.chunk_log2 = STUB_CHUNK_LOG2_MAX;
	stub_window_init(&stub, 100);
	(void)ask(data[0]);
	/* Whatever it sent, it was over within ten minutes of its own time. */
	check(dev.now_us < 600000000 + 87 * 64 * (uint64_t)size);
	stub_close(&stub);
	return 0;
}
