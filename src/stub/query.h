/* query.h - answers queries, and tells the host how the queue does.
 *
 * Layer: stub, above engine.
 */
#ifndef STUB_QUERY_H
#define STUB_QUERY_H

#include "engine.h"

struct query {
	struct engine engine;	/* first: its callback finds the rest by it */
	bool inside;		/* a query is being answered */
	uint32_t status_at;	/* hw_ms() of the last STATUS */
	struct link link;
};

struct query_buffers {
	struct engine_buffers engine;
	struct link_slot slot[WIRE_WINDOW];
};

void query_open(struct query *q, struct query_buffers *b);
/* Everything that must go on while anything else does: takes bytes, moves the
 * flash along, sends STATUS, answers a query. */
void query_service(struct query *q);

#endif
