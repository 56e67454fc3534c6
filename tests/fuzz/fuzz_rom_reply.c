/* The loader's host side against a device that sends anything at all. The first
 * byte chooses what is asked of it, the second how its bytes are cut.
 * fuzz-sources: src/loader/slip.c src/loader/reset.c src/loader/rom.c src/loader/rom_connect.c src/loader/rom_calls.c src/loader/spi.c src/loader/spi_read.c src/loader/spi_change.c src/loader/flash_rom.c src/loader/trace.c src/port/port.c src/esp_err.c
 */
#include "../../src/loader/flash_rom.h"
#include "../../src/loader/trace.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTE_US = 87 };

static struct device {
	const uint8_t *data;
	size_t left, cut;
	uint64_t now_us;
} dev;

static void check(int holds)
{
	if (!holds)
		abort();
}

static int dev_read(struct port *p, void *buf, size_t cap, uint32_t timeout_ms)
{
	size_t n = dev.left < dev.cut ? dev.left : dev.cut;

	(void)p;
	check(cap > 0);
	if (n > cap)
		n = cap;
	if (n == 0 || timeout_ms == 0) {
		dev.now_us += timeout_ms * 1000ull;
		return 0;
	}
	memcpy(buf, dev.data, n);
	dev.data += n;
	dev.left -= n;
	dev.now_us += n * BYTE_US;
	return (int)n;
}

static int dev_write(struct port *p, const void *buf, size_t len, uint32_t timeout_ms)
{
	const uint8_t *b = buf;

	(void)p;
	(void)timeout_ms;
	check(len > 0 && (b[0] == 0xC0 || b[0] == 0x55));
	check(b[len - 1] == 0xC0 || b[len - 1] == 0x55);
	dev.now_us += len * BYTE_US;
	return (int)len;
}

static int dev_wait(struct port *p, uint32_t ms)
{
	(void)p;
	dev.now_us += ms * 1000ull;
	return 0;
}

static int dev_drain(struct port *p, uint32_t ms)
{
	(void)p;
	(void)ms;
	return 0;
}

static int dev_flush(struct port *p)
{
	(void)p;
	return 0;
}

static int dev_baud(struct port *p, uint32_t baud)
{
	(void)p;
	(void)baud;
	return 0;
}

static int dev_lines(struct port *p, int dtr, int rts)
{
	(void)p;
	(void)dtr;
	(void)rts;
	return 0;
}

static int dev_break(struct port *p, bool on)
{
	(void)p;
	(void)on;
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

/* port.c knows all kinds of ports; here is only this one. */
static int no_such_kind(struct port *p)
{
	return esp_fail(&p->err, ESP_E_UNSUPPORTED, "no such kind of port");
}

int port_serial_open(struct port *p, const char *path, uint32_t baud)
{
	(void)path;
	(void)baud;
	return no_such_kind(p);
}

int port_sim_open(struct port *p, const char *rest, uint32_t baud)
{
	return port_serial_open(p, rest, baud);
}

int port_remote_open(struct port *p, const char *rest, uint32_t baud)
{
	return port_serial_open(p, rest, baud);
}

static void line_is_text(void *ctx, const char *line)
{
	size_t n = strlen(line);

	(void)ctx;
	check(n > 0 && n < TRACE_LINE_MAX);
	for (size_t i = 0; i < n; i++)
		check(line[i] >= ' ' && line[i] <= '~');
}

static struct rom rom;
static struct trace trace;
static struct flash_rom_writer writer;
static uint8_t buffer[3000];

static int read_many(void)
{
	uint32_t addrs[40], values[40];

	for (uint32_t i = 0; i < 40; i++)
		addrs[i] = 0x60000000 + 4 * i;
	return rom_read_regs(&rom, addrs, values, 40);
}

static int unknown_command(void)
{
	struct rom_request req = { .op = 0x13, .n_words = 4 };
	struct rom_reply reply;
	int rc = rom_command(&rom, &req, &reply);

	check(rc < 0 || reply.len <= ROM_REPLY_MAX);
	return rc;
}

static int write_two(void)
{
	int rc = flash_rom_prepare(&rom, 1 << 20);

	if (rc >= 0)
		rc = flash_rom_write_begin(&writer, &rom, 0x1000, 0x800, 0x400);
	if (rc >= 0)
		rc = flash_rom_write_block(&writer, buffer, 0x400);
	return rc < 0 ? rc : flash_rom_write_block(&writer, buffer, 0x3FF);
}

static int connect_once(void)
{
	struct rom_connect how = { reset_find("nodemcu", RESET_TO_LOADER), 1, 2, true };
	int rc = rom_connect(&rom, &how);

	check(rom.heard_len <= ROM_HEARD_MAX && rom.heard_len <= rom.heard_total);
	return rc;
}

static int erase_some(void)
{
	rom.flash_size = 1 << 20;
	return flash_rom_erase(&rom, 0x3000, 0x5000);
}

static int read_id(void)
{
	uint32_t id;

	return spi_read_id(&rom, &id);
}

static int run(uint8_t what)
{
	switch (what % 10) {
	case 0: return rom_sync(&rom);
	case 1: return connect_once();
	case 2: return read_many();
	case 3: return rom_load_ram(&rom, 0x40100000, buffer, 2999);
	case 4: return unknown_command();
	case 5: return write_two();
	case 6: return spi_read_flash(&rom, 0x1234, buffer, 300);
	case 7: return read_id();
	case 8: return rom_change_baud(&rom, 921600);
	default: return erase_some();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct port_ops ops = {
		"fuzz", PORT_IS_VIRTUAL, dev_read, dev_write, dev_drain, dev_flush, dev_baud,
		dev_lines, dev_break, dev_wait, dev_now, dev_close,
	};
	struct port port;
	int rc;

	if (size < 2)
		return 0;
	dev = (struct device){ data + 2, size - 2, 1 + (size_t)data[1] * 2, 0 };
	port_init(&port);
	port.ops = &ops;
	port.baud = 115200;
	trace_init(&trace, line_is_text, NULL);
	port.trace = trace_event;
	port.trace_ctx = &trace;
	rom_init(&rom, &port);
	rc = run(data[0]);
	check(rc >= 0 || (rom.err.code == rc && strlen(rom.err.text) > 0));
	check(dev.now_us < 120 * 1000000ull + size * BYTE_US);
	return 0;
}
