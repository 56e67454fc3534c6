/* port_clock.h - the wall's clock, deadlines and sleep for ports that are real.
 *
 * Layer: port, private to it. The only place that looks at the system's clock.
 */
#ifndef PORT_CLOCK_H
#define PORT_CLOCK_H

#include "port.h"

/* Longest wait before port_interrupted is looked at again: a signal that comes
 * between the look and the wait must not cost a whole time-out. */
#define PORT_CLOCK_SLICE_MS 200

/* Monotonic microseconds; the start is arbitrary. */
uint64_t port_clock_now_us(void);

/* When timeout_ms from now is. */
uint64_t port_clock_deadline_us(uint32_t timeout_ms);

/* Milliseconds to wait for that deadline, rounded up, at most one slice; 0 when
 * it is past. */
int port_clock_slice_ms(uint64_t deadline_us);

/* ESP_E_INTERRUPTED with its text when the signal flag is up, else 0. */
int port_clock_check(struct port *p);

/* As in struct port_ops. */
int port_clock_sleep(struct port *p, uint32_t ms);
uint64_t port_clock_port_now_us(struct port *p);

#endif
