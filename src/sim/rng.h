/* rng.h - the simulator's random numbers: small, seeded, the same everywhere.
 *
 * Layer: sim. Pure (xorshift64*). Every source of faults has its own, so that
 * one kind of fault does not shift the others.
 */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

/* `stream` tells generators with the same seed apart. */
static inline void rng_init(struct rng *r, uint32_t seed, uint32_t stream)
{
	r->state = ((uint64_t)seed << 32 | stream) * 0x9E3779B97F4A7C15ull + 0x632BE59BD9B4E019ull;
	if (r->state == 0)
		r->state = 1;
}

static inline uint32_t rng_next(struct rng *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return (uint32_t)((r->state * 0x2545F4914F6CDD1Dull) >> 32);
}

/* 0 <= x < 1 */
static inline double rng_real(struct rng *r)
{
	return rng_next(r) / 4294967296.0;
}

/* True with probability p; takes no number when p is 0. */
static inline bool rng_hit(struct rng *r, double p)
{
	return p > 0 && rng_real(r) < p;
}

#endif
