/* The queue's host side. The line keeps its order, so loss needs no guessing:
 * each transmission has a number, and a frame whose last transmission is older
 * than one that arrived is lost. When nothing comes back a STATUS query finds
 * out what arrived, and is itself such a transmission. */
#include "stub_impl.h"

#include "../bytes.h"

#include <string.h>

enum {
	LATENCY_MS = 60,	/* twice the 16 ms of an FTDI bridge, and a margin */
	IDLE_MS = 250,		/* nothing to lose, only to wait for */
	PATIENCE_MAX_MS = 1000,
	STALL_MS = 20000,	/* frames arrive but the queue does not move */
	FRAMES_AT_ONCE = 256,	/* looked at before we go on sending */
	RECENT = 32,		/* frames by which the line is judged */
	SMALL_PIECE = 256,
	UNANSWERED_MAX = 3,	/* questions in a row: the line carries hardly anything */
};

static struct stub_slot *slot_of(struct stub *s, uint16_t seq)
{
	return &s->slot[seq % STUB_WINDOW_MAX];
}

static uint16_t in_flight(const struct stub *s)
{
	return (uint16_t)(s->next - s->base);
}

void stub_window_init(struct stub *s, uint16_t seq)
{
	memset(&s->state, 0, sizeof s->state);
	s->base = s->next = seq;
	s->state.next = s->state.done = seq;
	s->state.limit = (uint16_t)(seq + s->hello.window);
	s->order = s->proven = s->asked_order = s->rate_order = 0;
	s->recent_sent = s->recent_lost = s->unanswered = 0;
	s->wants_slower = false;
	s->patience_ms = LATENCY_MS;
	s->wire_us = s->data_us = s->quiet_us = s->moved_us = s->done_us = s->heard_us =
		port_now_us(s->port);
	s->stall_ms = s->work_ms = STALL_MS;
}

void stub_window_expect(struct stub *s, uint32_t work_ms, bool all_one)
{
	s->work_ms += work_ms;
	s->stall_ms = all_one ? STALL_MS + work_ms : STALL_MS;
}

/* n more bytes are on their way: from when on is silence a question? */
static void be_patient(struct stub *s, uint32_t n)
{
	uint64_t now = port_now_us(s->port);

	if (s->wire_us < now)
		s->wire_us = now;
	s->wire_us += n * 10000000ull / s->port->baud;
	s->quiet_us = s->wire_us + 1000ull *
		(in_flight(s) ? s->patience_ms : s->patience_ms + IDLE_MS);
}

/* Noise that spoils a long frame now and then asks for shorter ones. When even
 * those get lost, or nearly all do, it is the rate. */
static void judge_line(struct stub *s)
{
	if (s->recent_sent < RECENT)
		return;
	s->wants_slower = s->recent_lost > RECENT * 3 / 4 ||
		(s->recent_lost > RECENT / 3 && s->piece <= SMALL_PIECE);
	if (s->recent_lost > RECENT / 5 && s->piece > STUB_PIECE_MIN)
		s->piece /= 2;
	else if (s->recent_lost == 0 && s->piece < s->hello.data_max)
		s->piece *= 2;
	s->recent_sent = s->recent_lost = 0;
}

static int transmit(struct stub *s, struct stub_slot *slot)
{
	int n = stub_frame_send(s, slot->frame, slot->bytes);

	if (n < 0)
		return n;
	if (slot->order) {
		s->counters.resent++;
		s->recent_lost += slot->order > s->rate_order;
	}
	s->counters.sent++;
	s->recent_sent++;
	slot->order = ++s->order;
	be_patient(s, (uint32_t)n);
	s->data_us = s->wire_us;
	judge_line(s);
	return 0;
}

static bool is_newer(uint16_t a, uint16_t b)
{
	return (int16_t)(a - b) > 0;
}

static void read_state(struct stub_state *st, const struct stub_frame *f)
{
	const uint8_t *p = f->data;

	st->next = f->seq;
	st->where = f->addr;
	st->have = get_le32(p + WIRE_STATE_HAVE);
	st->limit = get_le16(p + WIRE_STATE_LIMIT);
	st->done = get_le16(p + WIRE_STATE_DONE);
	st->erased = get_le32(p + WIRE_STATE_ERASED);
	st->written = get_le32(p + WIRE_STATE_WRITTEN);
	st->echo = get_le16(p + WIRE_STATE_ECHO);
	st->error_seq = get_le16(p + WIRE_STATE_ERROR_SEQ);
	st->error = p[WIRE_STATE_ERROR];
	st->busy = p[WIRE_STATE_BUSY];
	st->bad_frames = get_le16(p + WIRE_STATE_BAD);
	st->error_addr = get_le32(p + WIRE_STATE_ERROR_ADDR);
	st->erases = get_le16(p + WIRE_STATE_ERASES);
}

/* Whether the state can be one of this queue: a chip gone mad must not make us
 * believe that it has what was never sent. */
static bool is_plausible(const struct stub *s, const struct stub_state *st)
{
	return !is_newer(s->base, st->next) && !is_newer(st->next, s->next) &&
		!is_newer(st->done, st->next) && !is_newer(s->state.done, st->done) &&
		(uint16_t)(st->limit - st->next) <= s->hello.window;
}

/* Marks what arrived; returns the number of the newest transmission that did. */
static uint32_t mark_received(struct stub *s, const struct stub_state *st)
{
	uint32_t newest = 0, i;
	uint16_t seq;

	for (; is_newer(st->next, s->base); s->base++)
		if (slot_of(s, s->base)->order > newest)
			newest = slot_of(s, s->base)->order;
	for (i = 0; i < 32; i++) {
		seq = (uint16_t)(st->next + 1 + i);
		if (!(st->have >> i & 1) || !is_newer(s->next, seq))
			continue;
		slot_of(s, seq)->received = true;
		if (slot_of(s, seq)->order > newest)
			newest = slot_of(s, seq)->order;
	}
	return newest;
}

void stub_window_status(struct stub *s, const struct stub_frame *f)
{
	struct stub_state old = s->state, st;
	uint32_t newest;

	if (f->bytes < WIRE_STATE_SIZE)
		return;
	read_state(&st, f);
	if (!is_plausible(s, &st))
		return;
	s->state = st;
	newest = mark_received(s, &st);
	if (s->asked_order && st.echo == s->asked) {
		if (s->asked_order > newest)
			newest = s->asked_order;
		s->asked_order = 0;
	}
	if (newest > s->proven)
		s->proven = newest;
	s->patience_ms = LATENCY_MS;
	s->unanswered = 0;
	be_patient(s, 0);
	if (st.next != old.next || st.done != old.done)
		s->done_us = s->moved_us = port_now_us(s->port);
	else if (st.where != old.where)
		s->moved_us = port_now_us(s->port);
}

static bool is_due(const struct stub *s, const struct stub_slot *slot)
{
	return !slot->received && slot->order < s->proven;
}

static int resend_lost(struct stub *s)
{
	uint16_t i, n = in_flight(s);
	int rc;

	for (i = 0; i < n; i++) {
		struct stub_slot *slot = slot_of(s, (uint16_t)(s->base + i));

		if (is_due(s, slot) && (rc = transmit(s, slot)) < 0)
			return rc;
	}
	return 0;
}

static int ask_status(struct stub *s)
{
	struct stub_query q = { .op = WIRE_STATUS };
	int tag = stub_query_send(s, &q, -1);

	if (tag < 0)
		return tag;
	if (++s->unanswered > UNANSWERED_MAX)
		s->wants_slower = true;
	s->asked = (uint16_t)tag;
	s->asked_order = ++s->order;
	if (s->patience_ms < PATIENCE_MAX_MS)
		s->patience_ms *= 2;
	be_patient(s, 2 * (WIRE_HEADER + WIRE_CRC));
	return 0;
}

/* What was on its way may be lost: ask at once. */
static int slow_down(struct stub *s)
{
	int rc = stub_slow_down(s);

	s->wants_slower = false;
	if (rc <= 0)
		return rc;
	s->recent_sent = s->recent_lost = s->unanswered = 0;
	s->rate_order = s->order;
	s->wire_us = s->data_us = s->quiet_us = s->moved_us = s->done_us = port_now_us(s->port);
	return 0;
}

static int check_alive(struct stub *s, uint64_t now)
{
	uint64_t heard = s->heard_us > s->data_us ? s->heard_us : s->data_us;

	if (now > heard + STUB_SILENCE_MS * 1000ull)
		return esp_fail(&s->err, ESP_E_TIMEOUT,
				"%s: the chip is silent (working at 0x%06x)", s->port->name,
				s->state.where);
	if (now > s->data_us && now > s->done_us + s->work_ms * 1000ull)
		return esp_fail(&s->err, ESP_E_TIMEOUT,
				"%s: the chip does not finish (working at 0x%06x)", s->port->name,
				s->state.where);
	if (now > s->data_us && now > s->moved_us + s->stall_ms * 1000ull)
		return esp_fail(&s->err, ESP_E_TIMEOUT,
				"%s: too much noise, %llu of %llu frames were sent again",
				s->port->name, (unsigned long long)s->counters.resent,
				(unsigned long long)s->counters.sent);
	return 0;
}

int stub_window_pump(struct stub *s, uint32_t timeout_ms)
{
	struct stub_frame f;
	uint64_t now = port_now_us(s->port);
	uint32_t wait_ms = s->quiet_us > now ? (uint32_t)((s->quiet_us - now + 999) / 1000) : 0;
	int rc, n;

	rc = stub_frame_receive(s, &f, timeout_ms < wait_ms ? timeout_ms : wait_ms);
	for (n = 0; rc > 0 && n < FRAMES_AT_ONCE; n++)
		rc = stub_frame_receive(s, &f, 0);
	if (rc < 0)
		return rc;
	if (s->state.error)
		return stub_refused(s, s->state.error, s->state.error_addr);
	now = port_now_us(s->port);
	if ((rc = check_alive(s, now)) < 0 || (rc = resend_lost(s)) < 0)
		return rc;
	if (s->wants_slower && (rc = slow_down(s)) < 0)
		return rc;
	return port_now_us(s->port) >= s->quiet_us ? ask_status(s) : 0;
}

static bool has_room(const struct stub *s)
{
	return in_flight(s) < STUB_WINDOW_MAX && is_newer(s->state.limit, s->next);
}

int stub_window_push(struct stub *s, struct stub_frame *f)
{
	struct stub_slot *slot;
	int rc = stub_window_pump(s, 0);

	while (rc >= 0 && !has_room(s))
		rc = stub_window_pump(s, PATIENCE_MAX_MS);
	if (rc < 0)
		return rc;
	f->seq = s->next;
	slot = slot_of(s, s->next++);
	slot->received = false;
	slot->order = 0;
	slot->bytes = (uint16_t)stub_frame_put(slot->frame, f);
	return transmit(s, slot);
}

int stub_window_drain(struct stub *s, const struct stub_progress *progress, uint32_t total)
{
	uint32_t from = s->state.where;
	int rc;

	while (s->state.done != s->next) {
		rc = stub_window_pump(s, 100);
		if (rc < 0)
			return rc;
		if (s->state.where >= from && s->state.where - from <= total &&
		    (rc = stub_step(s, progress, s->state.where - from, total)) < 0)
			return rc;
	}
	return 0;
}
