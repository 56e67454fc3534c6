/* embed.h - the files that the program carries inside (made by embed.sh).
 *
 * Layer: base. Names are paths in the source tree: "lualib/moonflash/plan.lua",
 * "scripts/write.lua", "third/argparse.lua", "src/sim/rom/rom.bin".
 */
#ifndef EMBED_H
#define EMBED_H

#include <stddef.h>

struct embed_file {
	const char *name;	/* NULL ends the table */
	const char *start, *end;
};

extern const struct embed_file embed_files[];

/* The file of that name, NULL when there is none. */
const struct embed_file *embed_find(const char *name);

#endif
