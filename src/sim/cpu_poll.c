/* cpu_poll.c - proves that a loop is idle.
 *
 * A program whose whole state (registers, memory) at some instruction is what
 * it was when it last came by there, and which in between neither read time
 * nor changed or consumed anything in a device, will do the same for ever,
 * until a device changes or an interrupt comes. The detector looks at control
 * transfers, because every loop has one. The first is the anchor; words of
 * memory stored to since are noted with what they held, so that a loop that
 * calls functions (and thereby rewrites its stack) can be idle too.
 */
#include "cpu_core.h"

#include <string.h>

static void poll_anchor(struct cpu *c, uint64_t now)
{
	struct cpu_poll *p = &c->priv->poll;

	p->impure = false;
	p->words = 0;
	p->side_effects = c->side_effects;
	p->since = now;
	memcpy(p->state, c, sizeof p->state);
}

static bool poll_memory_same(const struct cpu_poll *p)
{
	for (unsigned i = 0; i < p->words; i++)
		if (memcmp(p->word[i].at, p->word[i].was, 4) != 0)
			return false;
	return true;
}

void cpu_poll_start(struct cpu *c)
{
	c->priv->poll.active = true;
	c->priv->poll.anchors = 0;
}

int cpu_poll_check(struct cpu *c, uint64_t now)
{
	struct cpu_poll *p = &c->priv->poll;
	bool effect = p->impure || p->side_effects != c->side_effects;

	if (p->anchors == 0 || effect) {
		if (p->anchors++ == CPU_POLL_ANCHORS)
			return -1;
		poll_anchor(c, now);
		return 0;
	}
	/* pc first: it is what differs almost always. */
	if (memcmp(p->state + offsetof(struct cpu, pc), &c->pc, sizeof c->pc) != 0)
		return 0;
	c->poll_period = now - p->since;
	return memcmp(p->state, c, sizeof p->state) == 0 && poll_memory_same(p);
}

void cpu_poll_note(struct cpu_core *core, uint8_t *word)
{
	struct cpu_poll *p = &core->poll;

	for (unsigned i = 0; i < p->words; i++)
		if (p->word[i].at == word)
			return;
	if (p->words == CPU_POLL_WORDS) {
		p->impure = true;
		return;
	}
	p->word[p->words].at = word;
	memcpy(p->word[p->words++].was, word, 4);
}
