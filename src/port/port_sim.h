/* port_sim.h - the simulated chip behind a port, for tests and for `sim`.
 *
 * Layer: port.
 */
#ifndef PORT_SIM_H
#define PORT_SIM_H

#include "port.h"

struct chip;

/* NULL when p is no simulated port. Valid until the port is closed. */
struct chip *port_sim_chip(struct port *p);

#endif
