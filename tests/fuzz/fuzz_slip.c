/* SLIP: any bytes into any capacity, and what comes out goes in and out again.
 * fuzz-sources: src/loader/slip.c
 */
#include "../../src/loader/slip.h"

#include "../../src/esp_err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void round_trip(const uint8_t *frame, size_t len)
{
	uint8_t wire[2 * 256 + 2], back[256];
	struct slip_decoder d;
	int n = slip_encode(wire, sizeof wire, frame, len), rc = 0;

	check(n >= (int)len + 2 && (size_t)n <= slip_encoded_max(len));
	check(slip_encode(wire, (size_t)n - 1, frame, len) == ESP_E_TOOBIG);
	check(slip_encode(wire, (size_t)n, frame, len) == n);
	slip_init(&d, back, len);
	for (int i = 0; i < n; i++) {
		check(rc == 0);
		rc = slip_feed(&d, wire[i]);
	}
	check(rc == 1 && d.len == len && memcmp(back, frame, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slip_decoder d;
	uint8_t *buf;		/* of exactly that size, so that a byte more is seen */
	size_t cap;

	if (size < 1)
		return 0;
	cap = data[0];
	buf = malloc(cap);
	if (!buf && cap)
		return 0;
	slip_init(&d, buf, cap);
	for (size_t i = 1; i < size; i++) {
		int rc = slip_feed(&d, data[i]);

		check(rc == 0 || rc == 1 || rc == ESP_E_PROTO || rc == ESP_E_TOOBIG);
		check(d.len <= cap);
		if (rc == 1) {
			check(d.len > 0 && data[i] == SLIP_END);
			round_trip(buf, d.len);
		}
	}
	free(buf);
	return 0;
}
