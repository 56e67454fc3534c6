/* The stub's inflate and packer and the host's unpacker: damaged streams stay
 * inside their buffers, and what is packed unpacks to itself.
 * fuzz-sources: src/loader/stub*.c src/loader/slip.c src/loader/reset.c src/loader/rom.c src/loader/rom_connect.c src/loader/rom_calls.c src/port/port.c src/esp_err.c src/embed.c -ldeflate
 */
#include "../../src/embed.h"
#include "../../src/loader/stub_impl.h"

#include "../../src/stub/inflate.c"
#include "../../src/stub/pack.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No stub is inside. */
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

static bool no_more(struct inflate *z)
{
	return z->in < z->in_end;
}

static void check(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[WIRE_UNIT_MAX], back[4096];
	static uint16_t heads[PACK_HEADS];
	static struct inflate_code literal, distance;
	static struct inflate z;
	uint32_t packed, n = size < sizeof back ? (uint32_t)size : (uint32_t)sizeof back;

	z.literal = &literal;
	z.distance = &distance;
	z.in = data;
	z.in_end = data + size;
	z.more = no_more;
	check(inflate_run(&z, out, sizeof out) <= (int32_t)sizeof out);
	(void)stub_unpack(data, size, out, sizeof out);
	packed = pack_run(data, n, out, n, heads);
	if (packed) {
		check(packed <= n);
		check(stub_unpack(out, packed, back, n) == 0);
		check(memcmp(back, data, n) == 0);
	}
	return 0;
}
