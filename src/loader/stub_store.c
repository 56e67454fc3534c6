#include "stub_store.h"

#include "../esp_err.h"

#include <libdeflate.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

enum { PROBES = 32 };

enum slot_state { SLOT_FREE, SLOT_TAKEN, SLOT_READY };

struct slot {
	_Atomic uint32_t state;		/* READY is set last; TAKEN for ever when its maker died */
	uint32_t crc, len, packed, packed_crc;
	size_t at;			/* in the arena: plain bytes, then packed ones */
};

struct stub_store_map {
	struct slot slot[STUB_STORE_SLOTS];
	_Atomic size_t used;		/* of the arena; may grow past its end */
	uint8_t arena[];
};

int stub_store_open(struct stub_store *st, size_t bytes)
{
	size_t all = sizeof(struct stub_store_map) + bytes;
	void *p = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);

	st->map = NULL;
	st->bytes = bytes;
	if (bytes > SIZE_MAX / 2 || p == MAP_FAILED)
		return ESP_E_NOMEM;
	st->map = p;			/* zeroed by the system: every slot is free */
	return 0;
}

void stub_store_close(struct stub_store *st)
{
	if (st->map)
		munmap(st->map, sizeof *st->map + st->bytes);
	st->map = NULL;
}

static size_t slot_of(uint32_t crc, unsigned probe)
{
	return (crc + probe) % STUB_STORE_SLOTS;
}

/* Another process may have written anything there: nothing of it is trusted. */
static bool is_inside(const struct stub_store *st, const struct slot *s)
{
	return s->at <= st->bytes && s->len <= st->bytes - s->at &&
		s->packed <= st->bytes - s->at - s->len;
}

static bool is_of(const struct stub_store *st, const struct slot *s, uint32_t crc,
		  const void *data, size_t len)
{
	return s->crc == crc && s->len == len && is_inside(st, s) &&
		memcmp(st->map->arena + s->at, data, len) == 0;
}

bool stub_store_get(const struct stub_store *st, uint32_t crc, const void *data, size_t len,
		    void *out, size_t cap, size_t *packed)
{
	unsigned i;

	if (!st || !st->map)
		return false;
	for (i = 0; i < PROBES; i++) {
		struct slot *shared = &st->map->slot[slot_of(crc, i)], s;
		uint32_t state = atomic_load_explicit(&shared->state, memory_order_acquire);

		if (state == SLOT_FREE)
			return false;
		if (state != SLOT_READY)
			continue;
		memcpy(&s, shared, sizeof s);	/* checked and used is the same copy */
		if (!is_of(st, &s, crc, data, len) || s.packed > cap)
			continue;
		memcpy(out, st->map->arena + s.at + s.len, s.packed);
		if (libdeflate_crc32(0, out, s.packed) != s.packed_crc)
			continue;
		*packed = s.packed;
		return true;
	}
	return false;
}

static struct slot *take_slot(struct stub_store *st, uint32_t crc)
{
	unsigned i;

	for (i = 0; i < PROBES; i++) {
		struct slot *s = &st->map->slot[slot_of(crc, i)];
		uint32_t is_free = SLOT_FREE;

		if (atomic_compare_exchange_strong(&s->state, &is_free, SLOT_TAKEN))
			return s;
	}
	return NULL;
}

void stub_store_put(struct stub_store *st, uint32_t crc, const void *data, size_t len,
		    const void *out, size_t packed)
{
	struct slot *s;
	size_t at;

	if (!st || !st->map || len > st->bytes || packed > st->bytes - len)
		return;
	at = atomic_load(&st->map->used);
	if (at > st->bytes - len - packed || !(s = take_slot(st, crc)))
		return;
	at = atomic_fetch_add(&st->map->used, len + packed);
	if (at > st->bytes - len - packed)
		return;			/* another was faster; the slot is lost */
	s->crc = crc;
	s->len = (uint32_t)len;
	s->packed = (uint32_t)packed;
	s->packed_crc = libdeflate_crc32(0, out, packed);
	s->at = at;
	memcpy(st->map->arena + at, data, len);
	memcpy(st->map->arena + at + len, out, packed);
	atomic_store_explicit(&s->state, SLOT_READY, memory_order_release);
}
