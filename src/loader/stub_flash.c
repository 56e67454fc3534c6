/* What the stub does with the flash chip, beside reading streams. */
#include "stub_impl.h"

#include "../bytes.h"

#include <libdeflate.h>
#include <string.h>

enum {
	QUICK_MS = 150,
	DIGEST_MS = 5000, DIGEST_BYTES_MS = 256,	/* of each millisecond, at least */
	SECTOR_MS = 400,
	REWRITES = 2,
};

int stub_info(struct stub *s, struct stub_info *out)
{
	struct stub_query q = { .op = WIRE_INFO, .wait_ms = QUICK_MS };
	struct stub_frame f;
	int rc = stub_ask(s, &q, &f);

	if (rc < 0)
		return rc;
	if (f.bytes < WIRE_INFO_SIZE)
		return esp_fail(&s->err, ESP_E_PROTO, "the stub's flash info is too short");
	out->jedec_id = get_le32(f.data + WIRE_INFO_JEDEC) & 0xffffff;
	memcpy(out->sr, f.data + WIRE_INFO_SR, sizeof out->sr);
	memcpy(out->uid, f.data + WIRE_INFO_UID, sizeof out->uid);
	memcpy(out->sfdp, f.data + WIRE_INFO_SFDP, sizeof out->sfdp);
	return 0;
}

int stub_digest(struct stub *s, uint32_t addr, uint32_t len, struct stub_digest *out)
{
	struct stub_query q = { .op = WIRE_DIGEST, .addr = addr, .len = len, .wait_ms = 400,
		.limit_ms = DIGEST_MS + len / DIGEST_BYTES_MS };
	struct stub_frame f;
	int rc = stub_ask(s, &q, &f);

	if (rc < 0)
		return rc;
	if (f.bytes < 20)
		return esp_fail(&s->err, ESP_E_PROTO, "the stub's digest is too short");
	out->crc = get_le32(f.data);
	memcpy(out->md5, f.data + 4, sizeof out->md5);
	return 0;
}

/* ---- any command ---- */

int stub_spi(struct stub *s, const struct stub_spi *t)
{
	uint8_t body[WIRE_SPI_HEADER + WIRE_SPI_DATA_MAX] = { 0 };
	struct stub_query q = { .op = WIRE_SPI, .addr = t->addr, .len = t->ready_ms, .body = body,
		.bytes = WIRE_SPI_HEADER + t->out_len, .wait_ms = QUICK_MS,
		.limit_ms = t->ready_ms + 1000 };
	struct stub_frame f;
	int rc;

	if (t->out_len > WIRE_SPI_DATA_MAX || t->in_len > WIRE_SPI_DATA_MAX || t->addr_bytes > 3)
		return esp_fail(&s->err, ESP_E_ARGUMENT, "flash command %02x is too long",
				t->opcode);
	body[WIRE_SPI_OPCODE] = t->opcode;
	body[WIRE_SPI_ADDR_BYTES] = t->addr_bytes;
	body[WIRE_SPI_DUMMY_BITS] = t->dummy_bits;
	body[WIRE_SPI_IN] = (uint8_t)t->in_len;
	body[WIRE_SPI_BEFORE] = t->before;
	if (t->out_len)
		memcpy(body + WIRE_SPI_HEADER, t->out, t->out_len);
	rc = stub_ask(s, &q, &f);
	if (rc < 0)
		return rc;
	if (f.bytes != t->in_len)
		return esp_fail(&s->err, ESP_E_PROTO, "%zu bytes for flash command %02x", f.bytes,
				t->opcode);
	if (t->in_len)
		memcpy(t->in, f.data, t->in_len);
	return 0;
}

int stub_read_status(struct stub *s, uint8_t sr[3])
{
	static const uint8_t opcode[3] = { 0x05, 0x35, 0x15 };
	int i, rc = 0;

	for (i = 0; i < 3 && rc >= 0; i++) {
		struct stub_spi t = { .opcode = opcode[i], .in = &sr[i], .in_len = 1 };

		rc = stub_spi(s, &t);
	}
	return rc;
}

int stub_write_status(struct stub *s, uint8_t opcode, const uint8_t *value, size_t n)
{
	struct stub_spi t = { .opcode = opcode, .before = 0x06, .out = value, .out_len = n,
		.ready_ms = 200 };

	if (n < 1 || n > 2)
		return esp_fail(&s->err, ESP_E_ARGUMENT, "%zu status bytes", n);
	return stub_spi(s, &t);
}

int stub_flash_reset(struct stub *s)
{
	/* Continuous read ends, QPI ends, power-down ends, reset. */
	static const uint8_t opcode[] = { 0xff, 0xff, 0xab, 0x66, 0x99 };
	size_t i;
	int rc = 0;

	for (i = 0; i < sizeof opcode && rc >= 0; i++) {
		struct stub_spi t = { .opcode = opcode[i] };

		rc = stub_spi(s, &t);
	}
	if (rc >= 0)
		port_sleep(s->port, 1);	/* tRST is 30 us */
	return rc;
}

/* ---- memory ---- */

int stub_mem_read(struct stub *s, uint32_t addr, void *buf, size_t len)
{
	uint8_t *to = buf;
	size_t n;

	for (; len; len -= n, to += n, addr += (uint32_t)n) {
		struct stub_query q = { .op = WIRE_MEM_READ, .addr = addr, .wait_ms = QUICK_MS };
		struct stub_frame f;
		int rc;

		n = len < WIRE_DATA_MAX ? len : WIRE_DATA_MAX;
		q.len = (uint32_t)n;
		rc = stub_ask(s, &q, &f);
		if (rc < 0)
			return rc;
		if (f.bytes != n)
			return esp_fail(&s->err, ESP_E_PROTO, "memory read of %zu bytes", f.bytes);
		memcpy(to, f.data, n);
	}
	return 0;
}

int stub_mem_write(struct stub *s, uint32_t addr, const void *data, size_t len)
{
	const uint8_t *from = data;
	size_t n;

	for (; len; len -= n, from += n, addr += (uint32_t)n) {
		struct stub_query q = { .op = WIRE_MEM_WRITE, .addr = addr, .body = from,
			.wait_ms = QUICK_MS };
		struct stub_frame f;
		int rc;

		q.bytes = n = len < WIRE_BODY_MAX ? len : WIRE_BODY_MAX;
		rc = stub_ask(s, &q, &f);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- changing flash ---- */

static int push(struct stub *s, uint8_t op, uint8_t flags, uint32_t addr, uint32_t len)
{
	struct stub_frame f = { .op = op, .flags = flags, .addr = addr, .len = len };

	return stub_window_push(s, &f);
}

int stub_write_begin(struct stub *s, uint32_t addr, uint32_t size, unsigned sizes)
{
	if (addr % WIRE_SECTOR || size % WIRE_SECTOR || addr > WIRE_FLASH_MAX ||
	    size > WIRE_FLASH_MAX - addr)
		return esp_fail(&s->err, ESP_E_ARGUMENT, "cannot erase 0x%x bytes at 0x%06x", size,
				addr);
	stub_window_expect(s, size / WIRE_SECTOR * SECTOR_MS, false);
	return push(s, WIRE_BEGIN, (uint8_t)sizes, addr, size);
}

/* Sends the unit in s->body, n bytes. */
static int push_unit(struct stub *s, uint8_t flags, uint32_t addr, uint32_t len, size_t n)
{
	size_t at = 0;
	int rc = 0;

	while (at < n && rc >= 0) {
		struct stub_frame f = { .op = WIRE_DATA, .flags = flags, .addr = addr, .len = len,
			.data = s->body + at, .bytes = n - at < s->piece ? n - at : s->piece };

		if (at == 0)
			f.flags |= WIRE_FIRST;
		at += f.bytes;
		if (at == n)
			f.flags |= WIRE_LAST;
		rc = stub_window_push(s, &f);
	}
	return rc;
}

/* Packs a unit into s->body, unless another process has done so already. */
static size_t pack_unit(struct stub *s, uint32_t crc, const void *data, size_t len)
{
	uint8_t *out = s->body + 4;
	size_t packed;

	if (stub_store_get(s->store, crc, data, len, out, len - 1, &packed)) {
		s->counters.shared++;
		return packed;
	}
	packed = libdeflate_deflate_compress(s->deflate, data, len, out, len - 1);
	stub_store_put(s->store, crc, data, len, out, packed);
	return packed;
}

int stub_write_unit(struct stub *s, uint32_t addr, const void *data, size_t len)
{
	uint32_t crc = libdeflate_crc32(0, data, len);
	size_t packed;

	if (len == 0 || len > s->hello.unit_max || len > WIRE_UNIT_MAX || len % 4 || addr % 4)
		return esp_fail(&s->err, ESP_E_ARGUMENT, "unit of %zu bytes at 0x%06x", len, addr);
	put_le32(s->body, crc);
	packed = pack_unit(s, crc, data, len);
	s->counters.plain += len;
	s->counters.packed += packed ? packed : len;
	if (packed)
		return push_unit(s, WIRE_DEFLATED, addr, (uint32_t)len, packed + 4);
	memcpy(s->body + 4, data, len);
	return push_unit(s, 0, addr, (uint32_t)len, len + 4);
}

static int barrier(struct stub *s, const struct stub_progress *progress, uint32_t total)
{
	int rc = push(s, WIRE_BARRIER, 0, 0, 0);

	return rc < 0 ? rc : stub_window_drain(s, progress, total);
}

int stub_write_end(struct stub *s)
{
	return barrier(s, NULL, 0);
}

static uint32_t whole_sectors(uint32_t len)
{
	return (len + WIRE_SECTOR - 1) / WIRE_SECTOR * WIRE_SECTOR;
}

/* One unit of data that may end at an odd byte: padded with FF to a word. */
static int write_piece(struct stub *s, uint32_t addr, const uint8_t *data, uint32_t n)
{
	uint8_t tail[4] = { 0xff, 0xff, 0xff, 0xff };
	uint32_t whole = n & ~3u;
	int rc = 0;

	if (whole)
		rc = stub_write_unit(s, addr, data, whole);
	if (rc >= 0 && n > whole) {
		memcpy(tail, data + whole, n - whole);
		rc = stub_write_unit(s, addr + whole, tail, sizeof tail);
	}
	return rc;
}

static int write_range(struct stub *s, uint32_t addr, const uint8_t *data, uint32_t len,
		       const struct stub_progress *progress)
{
	uint32_t at, n;
	int rc = stub_write_begin(s, addr, whole_sectors(len), STUB_ERASE_ALL);

	for (at = 0; at < len && rc >= 0; at += n) {
		n = len - at < WIRE_UNIT_MAX ? len - at : WIRE_UNIT_MAX;
		rc = write_piece(s, addr + at, data + at, n);
		if (rc >= 0 && s->state.written >= addr && s->state.written - addr <= len)
			rc = stub_step(s, progress, s->state.written - addr, len);
	}
	return rc < 0 ? rc : barrier(s, progress, len);
}

/* 0 when flash holds the data, else 1 with the first differing sector and the
 * end of the last one. */
static int find_difference(struct stub *s, uint32_t addr, const uint8_t *data, uint32_t len,
			   uint32_t *from, uint32_t *to)
{
	uint32_t crc[64], at, n, i, part;
	int rc;

	*from = UINT32_MAX;
	*to = 0;
	for (at = 0; at < len; at += n) {
		n = len - at < sizeof crc / 4 * WIRE_SECTOR ? len - at :
			(uint32_t)(sizeof crc / 4 * WIRE_SECTOR);
		rc = stub_hashes(s, addr + at, n, crc);
		if (rc < 0)
			return rc;
		for (i = 0; i * WIRE_SECTOR < n; i++) {
			part = n - i * WIRE_SECTOR < WIRE_SECTOR ? n - i * WIRE_SECTOR : WIRE_SECTOR;
			if (crc[i] == libdeflate_crc32(0, data + at + i * WIRE_SECTOR, part))
				continue;
			if (*from == UINT32_MAX)
				*from = at + i * WIRE_SECTOR;
			*to = at + i * WIRE_SECTOR + part;
		}
	}
	return *from != UINT32_MAX;
}

int stub_write(struct stub *s, uint32_t addr, const void *data, uint32_t len,
	       const struct stub_progress *progress)
{
	const uint8_t *bytes = data;
	uint32_t from = 0, to = len;
	int rc = 0, tries;

	for (tries = 0; tries <= REWRITES; tries++) {
		rc = write_range(s, addr + from, bytes + from, to - from,
				 tries ? NULL : progress);
		if (rc == ESP_E_FLASH && stub_reset(s) < 0)
			return rc;
		if (rc < 0 && rc != ESP_E_FLASH)
			return rc;
		rc = find_difference(s, addr, bytes, len, &from, &to);
		if (rc <= 0)
			return rc;
	}
	s->refusal = WIRE_E_VERIFY;
	s->refusal_addr = addr + from;
	return esp_fail(&s->err, ESP_E_FLASH, "flash at 0x%06x does not keep what is written",
			addr + from);
}

int stub_erase(struct stub *s, uint32_t addr, uint32_t size,
	       const struct stub_progress *progress)
{
	int rc = stub_write_begin(s, addr, size, STUB_ERASE_ALL);

	return rc < 0 ? rc : barrier(s, progress, size);
}

int stub_erase_chip(struct stub *s, const struct stub_progress *progress)
{
	uint64_t start = port_now_us(s->port);
	int rc = push(s, WIRE_CHIP_ERASE, 0, 0, 0);

	stub_window_expect(s, STUB_CHIP_ERASE_MS, true);
	if (rc >= 0)
		rc = push(s, WIRE_BARRIER, 0, 0, 0);
	while (rc >= 0 && s->state.done != s->next) {
		rc = stub_window_pump(s, 100);
		if (rc >= 0)
			rc = stub_step(s, progress,
				       (uint32_t)((port_now_us(s->port) - start) / 1000),
				       STUB_CHIP_ERASE_MS);
	}
	stub_window_expect(s, 0, false);
	return rc < 0 ? rc : 0;
}
