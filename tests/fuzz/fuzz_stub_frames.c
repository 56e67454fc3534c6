/* The stub, compiled for this machine, against a host that sends anything. Bytes
 * of the input become frames with the right CRC, or go to the line as they are.
 * Afterwards the stub must still empty its queue and say hello.
 * fuzz-sources: src/loader/stub*.c src/loader/slip.c src/loader/reset.c src/loader/rom.c src/loader/rom_connect.c src/loader/rom_calls.c src/port/port.c src/esp_err.c src/sim/nor*.c src/sim/fault.c src/embed.c -ldeflate -lmd
 */
#include "../../src/embed.h"
#include "../../src/loader/stub_impl.h"
#include "../c/stub_chip.h"

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

enum { FLASH = 256 * 1024, BAUD = 4000000 };

static void check(int holds)
{
	if (!holds)
		abort();
}

/* A frame from the next bytes: op, flags, seq, where, length, then payload. */
static size_t send_frame(struct stub *s, const uint8_t *data, size_t size)
{
	uint8_t frame[WIRE_HEADER + 300 + WIRE_CRC];
	struct stub_frame f = { 0 };

	if (size < 8)
		return size;
	f.op = data[0] & 0x4f;
	f.flags = data[1];
	f.seq = (uint16_t)(s->next + data[2] % 32);
	f.addr = (uint32_t)data[3] * 1024 + (data[4] & 7);
	f.len = data[5] > 250 ? data[5] * 0x1020304u : (uint32_t)data[5] * 260;
	f.bytes = data[6];
	if (f.op == WIRE_RUN || f.op == WIRE_BAUD || f.op == WIRE_RESET)
		f.op = WIRE_PING;	/* these end the session */
	if (f.op == WIRE_SPI)
		f.len %= 50;
	if (f.bytes > size - 7)
		f.bytes = size - 7;
	f.data = data + 7;
	check(stub_frame_send(s, frame, stub_frame_put(frame, &f)) >= 0);
	return 7 + f.bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nor_config cfg = { .stuck_sector = -1, .scale = 0 };
	static struct stub s;
	size_t at = 0;

	if (size > 4096)
		return 0;
	sc.seed = 1;
	chip_start(FLASH, BAUD, &cfg);
	stub_init(&s, &sc.port);
	check(stub_attach(&s) == 0);
	while (at < size) {
		size_t n = size - at < 40 ? size - at : 40;

		if (data[at] & 0x80)
			check(port_write(&sc.port, data + at, n, 100) >= 0);
		else
			n = send_frame(&s, data + at, size - at);
		at += n;
		chip_sleep(&sc.port, 3);
	}
	check(stub_attach(&s) == 0);
	check(stub_ping(&s, "ping", 4) == 0);
	stub_close(&s);
	chip_stop();
	return 0;
}
