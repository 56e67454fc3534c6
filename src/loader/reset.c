#include "reset.h"

#include <string.h>

/* Sources: reference circuit of the NodeMCU development kit (two transistors:
 * DTR alone pulls GPIO0 down, RTS alone pulls RST down, both together do
 * nothing) and the sequences in use by the common flashers. The 50 ms are what
 * the ROM needs to latch its straps after RST rises; 550 ms serve boards whose
 * capacitor on RST is large. */

/* The transistor empties the capacitor on RST within microseconds, so 20 ms hold
 * the chip in reset for sure; the slow run is for boards with a supervisor chip.
 * Both lines change at once, and are walked over "both on", so that no state
 * in between can let the chip start with GPIO0 high. */
static const struct reset_step nodemcu_loader[] = {
	{ RESET_BOTH, 0, 0 }, { RESET_BOTH, 1, 1 }, { RESET_BOTH, 0, 1 },
	{ RESET_WAIT_MS, 20, 100 }, { RESET_BOTH, 1, 0 }, { RESET_WAIT_MS, 50, 550 },
	{ RESET_BOTH, 0, 0 }, { RESET_DTR, 0, 0 },
};
static const struct reset_step nodemcu_app[] = {
	{ RESET_BOTH, 0, 0 }, { RESET_BOTH, 0, 1 }, { RESET_WAIT_MS, 20, 100 },
	{ RESET_BOTH, 0, 0 },
};
static const struct reset_step classic_loader[] = {
	{ RESET_DTR, 0, 0 }, { RESET_RTS, 1, 0 }, { RESET_WAIT_MS, 100, 0 },
	{ RESET_DTR, 1, 0 }, { RESET_RTS, 0, 0 }, { RESET_WAIT_MS, 50, 550 },
	{ RESET_DTR, 0, 0 },
};
static const struct reset_step classic_app[] = {
	{ RESET_DTR, 0, 0 }, { RESET_RTS, 1, 0 }, { RESET_WAIT_MS, 100, 0 },
	{ RESET_RTS, 0, 0 },
};
/* The break discharges what hangs on the chip's RXD while RST is low. */
static const struct reset_step ck_loader[] = {
	{ RESET_RTS, 1, 0 }, { RESET_DTR, 1, 0 }, { RESET_BREAK, 250, 0 },
	{ RESET_WAIT_MS, 5, 0 }, { RESET_RTS, 0, 0 }, { RESET_WAIT_MS, 250, 550 },
	{ RESET_DTR, 0, 0 },
};
static const struct reset_step ck_app[] = {
	{ RESET_DTR, 0, 0 }, { RESET_RTS, 1, 0 }, { RESET_WAIT_MS, 5, 0 },
	{ RESET_RTS, 0, 0 },
};
/* DTR reaches RST through a capacitor: its falling edge is the reset; the break
 * holds GPIO0 low through a PNP transistor on TXD. */
static const struct reset_step wifio_loader[] = {
	{ RESET_DTR, 0, 0 }, { RESET_WAIT_MS, 5, 0 }, { RESET_DTR, 1, 0 },
	{ RESET_WAIT_MS, 5, 0 }, { RESET_DTR, 0, 0 }, { RESET_BREAK, 250, 0 },
};
static const struct reset_step wifio_app[] = {
	{ RESET_DTR, 0, 0 }, { RESET_WAIT_MS, 5, 0 }, { RESET_DTR, 1, 0 },
};
static const struct reset_step dtr_loader[] = { { RESET_DTR, 1, 0 } };
static const struct reset_step dtr_app[] = { { RESET_DTR, 0, 0 } };

#define STEPS(s) s, sizeof s / sizeof s[0]

static const struct reset_sequence sequences[] = {
	{ "nodemcu", RESET_TO_LOADER, "two-transistor circuit, both lines at once",
	  STEPS(nodemcu_loader) },
	{ "nodemcu", RESET_TO_APP, "two-transistor circuit: pulse on RST", STEPS(nodemcu_app) },
	{ "classic", RESET_TO_LOADER, "two-transistor circuit, one line after the other",
	  STEPS(classic_loader) },
	{ "classic", RESET_TO_APP, "RTS on RST: pulse", STEPS(classic_app) },
	{ "ck", RESET_TO_LOADER, "DTR wired to GPIO0, RTS to RST", STEPS(ck_loader) },
	{ "ck", RESET_TO_APP, "DTR wired to GPIO0, RTS to RST", STEPS(ck_app) },
	{ "wifio", RESET_TO_LOADER, "DTR on RST by a capacitor, TXD on GPIO0",
	  STEPS(wifio_loader) },
	{ "wifio", RESET_TO_APP, "DTR on RST by a capacitor", STEPS(wifio_app) },
	{ "dtr", RESET_TO_LOADER, "DTR held for the whole session", STEPS(dtr_loader) },
	{ "dtr", RESET_TO_APP, "DTR released", STEPS(dtr_app) },
	{ "none", RESET_TO_LOADER, "no lines: a button, or already in the loader", NULL, 0 },
	{ "none", RESET_TO_APP, "no lines: a button", NULL, 0 },
};

const struct reset_sequence *reset_list(size_t *n)
{
	*n = sizeof sequences / sizeof sequences[0];
	return sequences;
}

const struct reset_sequence *reset_find(const char *name, enum reset_purpose purpose)
{
	for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++)
		if (sequences[i].purpose == purpose && strcmp(sequences[i].name, name) == 0)
			return &sequences[i];
	return NULL;
}

static bool is_level(int v)
{
	return v == 0 || v == 1;
}

static bool is_wait(int ms)
{
	return ms >= 0 && ms <= RESET_WAIT_MAX_MS;
}

static bool makes_sense(const struct reset_step *s)
{
	switch (s->op) {
	case RESET_DTR:
	case RESET_RTS:
		return is_level(s->a);
	case RESET_BOTH:
		return is_level(s->a) && is_level(s->b);
	case RESET_BREAK:
		return is_wait(s->a);
	case RESET_WAIT_MS:
		return is_wait(s->a) && is_wait(s->b);
	}
	return false;
}

static int send_break(struct port *port, uint32_t ms)
{
	int rc = port_set_break(port, true), off;

	if (rc >= 0)
		rc = port_sleep(port, ms);
	off = port_set_break(port, false);	/* never leave the line held */
	return rc < 0 ? rc : off;
}

static int run_step(struct port *port, const struct reset_step *s, unsigned flags)
{
	int flip = (flags & RESET_INVERTED) != 0;

	switch (s->op) {
	case RESET_DTR:
		return port_set_lines(port, s->a ^ flip, PORT_LINE_KEEP);
	case RESET_RTS:
		return port_set_lines(port, PORT_LINE_KEEP, s->a ^ flip);
	case RESET_BOTH:
		return port_set_lines(port, s->a ^ flip, s->b ^ flip);
	case RESET_BREAK:
		return send_break(port, (uint32_t)s->a);
	case RESET_WAIT_MS:
		return port_sleep(port, (uint32_t)((flags & RESET_SLOW) && s->b ? s->b : s->a));
	}
	return ESP_E_ARGUMENT;
}

int reset_run(struct port *port, const struct reset_step *steps, size_t n, unsigned flags)
{
	int rc = 0;

	if (n > RESET_STEPS_MAX)
		return esp_fail(&port->err, ESP_E_ARGUMENT,
				"a reset sequence has at most %d steps", RESET_STEPS_MAX);
	for (size_t i = 0; i < n; i++)
		if (!makes_sense(&steps[i]))
			return esp_fail(&port->err, ESP_E_ARGUMENT,
					"reset step %zu: a line is 0 or 1, a time 0..%d ms",
					i + 1, RESET_WAIT_MAX_MS);
	for (size_t i = 0; i < n && rc >= 0; i++)
		rc = run_step(port, &steps[i], flags);
	return rc < 0 ? rc : 0;
}
