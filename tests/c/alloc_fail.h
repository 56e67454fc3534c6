/* alloc_fail.h - memory that runs out when a test says so. The test program is
 * linked with --wrap for malloc, calloc, realloc and free, so what the program,
 * its static libraries and Lua ask for passes here; libc's own does not. */
#ifndef ALLOC_FAIL_H
#define ALLOC_FAIL_H

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

#define AF_SLOTS (1u << 19)

/* Only what counts is remembered: free() also gets what libc allocated. */
static struct {
	bool on;		/* count, and fail as planned */
	long count;		/* allocations so far */
	long fail_at;		/* from 1; 0 = never */
	bool for_good;		/* from then on all of them, not that one alone */
	size_t live;
	void *slots[AF_SLOTS];
} af;

static inline size_t af_slot(const void *p)
{
	return (size_t)(((uintptr_t)p >> 4) * 2654435761u) % AF_SLOTS;
}

static inline void af_add(void *p)
{
	size_t i = af_slot(p);

	if (!p || af.live > AF_SLOTS / 2)
		return;
	while (af.slots[i])
		i = (i + 1) % AF_SLOTS;
	af.slots[i] = p;
	af.live++;
}

/* Linear probing: what follows moves up into the hole. */
static inline void af_remove(const void *p)
{
	size_t i = af_slot(p), j;

	while (af.slots[i] && af.slots[i] != p)
		i = (i + 1) % AF_SLOTS;
	if (!af.slots[i])
		return;
	af.live--;
	for (j = (i + 1) % AF_SLOTS; af.slots[j]; j = (j + 1) % AF_SLOTS) {
		size_t home = af_slot(af.slots[j]);

		if ((j - home) % AF_SLOTS >= (j - i) % AF_SLOTS) {
			af.slots[i] = af.slots[j];
			i = j;
		}
	}
	af.slots[i] = NULL;
}

static inline bool af_refuses(void)
{
	if (!af.on)
		return false;
	af.count++;
	return af.fail_at && (af.for_good ? af.count >= af.fail_at : af.count == af.fail_at);
}

static inline void *af_give(void *p)
{
	if (af.on)
		af_add(p);
	return p;
}

void *__wrap_malloc(size_t n)
{
	return af_refuses() ? NULL : af_give(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return af_refuses() ? NULL : af_give(__real_calloc(n, size));
}

/* Lua counts on a block growing smaller without fail. */
void *__wrap_realloc(void *p, size_t n)
{
	void *q;

	if (!(p && n <= malloc_usable_size(p)) && af_refuses())
		return NULL;
	q = __real_realloc(p, n);
	if (q && p)
		af_remove(p);
	return q ? af_give(q) : NULL;
}

void __wrap_free(void *p)
{
	if (p)
		af_remove(p);
	__real_free(p);
}

static inline void af_start(void)
{
	memset(af.slots, 0, sizeof af.slots);
	af.live = 0;
	af.fail_at = 0;
	af.on = true;
}

/* From here on the k-th fails (0: none does), and if wanted all behind it. */
static inline void af_plan(long k, bool for_good)
{
	af.count = 0;
	af.fail_at = k;
	af.for_good = for_good;
}

static inline void af_stop(void)
{
	af.on = false;
}

/* How far to step from k: the first ones one by one, the others evenly, so that
 * about `budget` of `total` are tried; ALLOC_BUDGET=n says otherwise. */
static inline long af_next(long k, long total, long budget)
{
	const char *wanted = getenv("ALLOC_BUDGET");
	long step;

	if (wanted)
		budget = strtol(wanted, NULL, 10);
	if (k < budget / 4)
		return k + 1;
	step = (total - budget / 4) * 4 / (budget * 3);
	return k + (step > 0 ? step : 1);
}

#endif
