/* fault.h - a list of faults, each at a moment of its own, kept in a file.
 *
 * Layer: sim. Knows no chip: whoever counts bytes or operations asks here.
 *
 * One fault a line: `- KIND N [ARG]`. The first character is what became of it:
 * `-` still to come, `x` happened. The file remembers it, so that a fault comes
 * once though the port is opened again after it. When a chip is closed one line
 * is added, `# sent A received B ops C erases D programs E resets F status G`:
 * bytes and operations since it was opened, resets since power-on, the flash's
 * status registers 3, 2 and 1 as they stay without power.
 */
#ifndef SIM_FAULT_H
#define SIM_FAULT_H

#include "../esp_err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULTS_MAX 32

/* N counts bytes on the wire (in: to the chip, out: from it, else both together)
 * or flash operations since the port was opened. */
enum fault_kind {
	FAULT_NONE,
	FAULT_FLIP_IN, FAULT_LOSE_IN, FAULT_DUP_IN,	/* ARG bytes from N on; 1 */
	FAULT_FLIP_OUT, FAULT_LOSE_OUT, FAULT_DUP_OUT,
	FAULT_RESET,	/* the chip restarts by itself after N bytes */
	FAULT_UNPLUG,	/* after N bytes; gone for ARG openings, or for ever with n */
	FAULT_CUT,	/* the power fails in operation N, for ARG openings */
	FAULT_CUT_BEFORE, FAULT_CUT_AFTER,
	FAULT_LIE,	/* ARG operations from N on do nothing; 1 */
	FAULT_SIGNAL,	/* this program gets signal ARG after N bytes */
	FAULT_SIGNAL_OP,	/* ... in operation N */
	FAULT_ID,	/* from the N-th question for it on, the flash's id is ARG */
	FAULT_STUCK0, FAULT_STUCK1,	/* cell N: the bits of ARG stay 0 (1) */
	FAULT_KINDS
};

#define FAULT_FOREVER UINT64_MAX

struct fault {
	enum fault_kind kind;
	uint64_t n, arg;
	bool over;		/* happened: does not begin any more */
	bool on;		/* began since the file was opened */
	size_t mark;		/* where its first character is in the file */
};

struct faults {
	struct fault list[FAULTS_MAX];
	size_t count;
	uint32_t kinds;		/* bit of each kind that there is */
	bool gone, off;		/* this opening finds no port; a chip without power */
	int fd;			/* 0 = none */
};

/* Reads the list. path "" = no faults. ESP_E_ARGUMENT names a line that is wrong. */
int faults_open(struct faults *f, const char *path, struct esp_error *err)
	__attribute__((warn_unused_result));
void faults_close(struct faults *f);	/* safe on a zeroed one */

/* The fault of that kind that covers `count`: the one that begins with it, or one
 * that lasts. NULL mostly. */
const struct fault *faults_at(struct faults *f, enum fault_kind kind, uint64_t count);
/* The one that is due once `count` has reached its N; each comes once. */
const struct fault *faults_due(struct faults *f, enum fault_kind kind, uint64_t count);
/* The first of a kind that has not happened, for looking ahead. */
const struct fault *faults_next(const struct faults *f, enum fault_kind kind);

/* Adds a line of counters to the file. */
void faults_note(struct faults *f, const char *line);

#endif
