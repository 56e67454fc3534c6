/* main.c - where the loader's RUN command lands. */
#include "crc.h"
#include "hw.h"
#include "query.h"

void stub_main(void) __attribute__((externally_visible));

static struct query everything;
static struct query_buffers buffers;

void stub_main(void)
{
	hw_open();
	crc_open();
	query_open(&everything, &buffers);
	for (;;) {
		query_service(&everything);
		engine_turn(&everything.engine);
		engine_rest(&everything.engine);
	}
}
