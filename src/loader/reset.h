/* reset.h - how the modem lines put a chip into its loader or let it run.
 *
 * Layer: loader. A sequence is data: a list of steps. Knows ports, and nothing
 * of what the chip says afterwards.
 */
#ifndef RESET_H
#define RESET_H

#include "../port/port.h"

/* 1 asserts a line, which pulls its wire to 0 V. */
enum reset_op {
	RESET_DTR,	/* a: 0 or 1 */
	RESET_RTS,	/* a: 0 or 1 */
	RESET_BOTH,	/* a: DTR, b: RTS; both change in one call */
	RESET_BREAK,	/* a: length in ms */
	RESET_WAIT_MS,	/* a: ms; b, when not 0, takes its place in a slow run */
};

struct reset_step {
	enum reset_op op;
	int a, b;
};

enum reset_purpose { RESET_TO_LOADER, RESET_TO_APP };

struct reset_sequence {
	const char *name;
	enum reset_purpose purpose;
	const char *about;		/* one line for people: what wiring it is for */
	const struct reset_step *steps;
	size_t n;
};

enum reset_flag {
	RESET_INVERTED = 1,	/* the board inverts both lines */
	RESET_SLOW = 2,		/* take the long waits: a large capacitor on RST */
};

#define RESET_WAIT_MAX_MS 10000
#define RESET_STEPS_MAX 64

/* The sequence of that name ("nodemcu", "classic", "ck", "wifio", "dtr",
 * "none") and purpose; NULL when there is none. */
const struct reset_sequence *reset_find(const char *name, enum reset_purpose purpose);

/* All sequences; *n is their number. */
const struct reset_sequence *reset_list(size_t *n);

/* Runs n steps; flags are enum reset_flag. Returns 0, ESP_E_ARGUMENT for a step
 * that makes no sense (before anything was done), or the port's failure; the
 * text is in port->err. */
int reset_run(struct port *port, const struct reset_step *steps, size_t n, unsigned flags)
	__attribute__((warn_unused_result));

#endif
