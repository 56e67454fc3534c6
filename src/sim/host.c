#include "host.h"

#include "ticks.h"

#include <string.h>

static const struct wire_format format_8n1 = { .data_bits = 8, .stop_bits = 1 };

void host_set_baud(struct host *h, uint32_t baud)
{
	h->baud = baud;
	h->bit_ticks = (TICKS_PER_S + baud / 2) / baud;
	h->receiver.bit_ticks = h->bit_ticks;
}

void host_init(struct host *h, const struct chip_config *cfg, uint64_t now)
{
	memset(h, 0, sizeof *h);
	h->flip = cfg->flip;
	h->lose = cfg->lose;
	h->dup = cfg->dup;
	h->max_clean_baud = cfg->max_clean_baud;
	h->max_clean_after = cfg->max_clean_after;
	rng_init(&h->rng, cfg->seed, 3);
	h->receiver.format = format_8n1;
	wire_receiver_init(&h->receiver, now);
	host_set_baud(h, 115200);
}

size_t host_queue(struct host *h, uint64_t now, const uint8_t *buf, size_t len)
{
	size_t n = 0;

	if (h->tx_count == 0)
		h->tx_since = now;
	for (; n < len && h->tx_count < HOST_TX_MAX; n++)
		h->tx[(h->tx_head + h->tx_count++) % HOST_TX_MAX] = buf[n];
	return n;
}

size_t host_take(struct host *h, uint8_t *buf, size_t cap)
{
	size_t n = 0;

	for (; n < cap && h->rx_count; n++, h->rx_count--) {
		buf[n] = h->rx[h->rx_head];
		h->rx_head = (h->rx_head + 1) % HOST_RX_MAX;
	}
	return n;
}

/* What is in store for the n-th byte of a direction. */
static unsigned planned(struct host *h, uint8_t *byte, uint64_t n, enum fault_kind flip,
			enum fault_kind lose, enum fault_kind dup)
{
	if (!h->at)
		return 1;
	if (faults_at(h->at, flip, n))
		*byte ^= (uint8_t)(1u << (n & 7));
	if (faults_at(h->at, lose, n))
		return 0;
	return faults_at(h->at, dup, n) ? 2 : 1;
}

/* What noise makes of a byte: how many copies arrive, and it may be changed. */
static unsigned noise(struct host *h, uint8_t *byte, bool in)
{
	double flip = h->flip;
	unsigned copies = in ?
		planned(h, byte, h->sent, FAULT_FLIP_IN, FAULT_LOSE_IN, FAULT_DUP_IN) :
		planned(h, byte, h->received, FAULT_FLIP_OUT, FAULT_LOSE_OUT, FAULT_DUP_OUT);

	if (h->max_clean_baud && h->baud > h->max_clean_baud &&
	    h->sent + h->received >= h->max_clean_after)
		flip += 0.02;
	if (rng_hit(&h->rng, flip)) {
		*byte ^= (uint8_t)(1u << (rng_next(&h->rng) & 7));
		h->faults++;
	}
	if (rng_hit(&h->rng, h->lose))
		copies = 0;
	else if (rng_hit(&h->rng, h->dup))
		copies = 2;
	h->faults += copies != 1;
	return copies;
}

static void send_next(struct host *h, struct wire *in)
{
	uint64_t at = in->busy_until > h->tx_since ? in->busy_until : h->tx_since;
	uint8_t byte = h->tx[h->tx_head];

	h->tx_head = (h->tx_head + 1) % HOST_TX_MAX;
	h->tx_count--;
	h->sent++;
	for (unsigned n = noise(h, &byte, true); n; n--, at = in->busy_until)
		wire_send(in, at, byte, &format_8n1, h->bit_ticks);
}

static void keep(struct host *h, uint8_t byte)
{
	if (h->rx_count < HOST_RX_MAX)
		h->rx[(h->rx_head + h->rx_count++) % HOST_RX_MAX] = byte;
}

void host_run(struct host *h, uint64_t now, struct wire *in, const struct wire *out)
{
	uint8_t byte;
	unsigned flags;
	uint64_t at;

	while (wire_receive(&h->receiver, out, now, &byte, &flags, &at)) {
		h->received++;
		for (unsigned n = noise(h, &byte, false); n; n--)
			keep(h, byte);
	}
	while (h->tx_count && in->busy_until <= now && !in->broken)
		send_next(h, in);
}

uint64_t host_next(struct host *h, const struct wire *in, const struct wire *out)
{
	uint64_t t = wire_receiver_next(&h->receiver, out);

	return h->tx_count && !in->broken ? ticks_min(t, in->busy_until) : t;
}
