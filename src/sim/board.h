/* board.h - what is around the chip: reset circuit and GPIO0 from DTR and RTS.
 *
 * Layer: sim. Knows no chip: it says which level RST and GPIO0 have.
 * Source: reference, rom-protocol 7.1 and 7.2.
 */
#ifndef SIM_BOARD_H
#define SIM_BOARD_H

#include "chip.h"

struct board {
	bool wired;
	enum chip_wiring wiring;
	bool dtr, rts, brk;	/* as the host set them; true = asserted, low */
	bool rst_low;
	uint64_t rise_at;	/* RST rises then; TICKS_NEVER while driven low or high */
};

void board_init(struct board *b, const struct chip_config *cfg);
void board_set_lines(struct board *b, uint64_t now, bool dtr, bool rts);
void board_set_break(struct board *b, bool on);
bool board_gpio0(const struct board *b);
/* True when RST rises now: the capacitor on it has charged. */
bool board_run(struct board *b, uint64_t now);

#endif
