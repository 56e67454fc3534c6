/* port_holder.h - which process has a device open.
 *
 * Layer: port, private to it. Linux: asks /proc; elsewhere nobody is found.
 * Knows nothing of serial ports: a device is a node with a number.
 */
#ifndef PORT_HOLDER_H
#define PORT_HOLDER_H

#include <stdbool.h>
#include <sys/types.h>

struct port_holder {
	pid_t pid;
	bool self;		/* it is this process, by another descriptor */
	char command[96];	/* its command line, printable, cut to fit */
};

/* Looks for a process that has the device `path` locked or open. A lock is
 * believed first, as everybody may read the list of locks and only root the
 * descriptors of others. False when nobody is to be seen. */
bool port_holder_find(struct port_holder *h, const char *path);

#endif
