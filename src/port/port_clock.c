#include "port_clock.h"

#include <errno.h>
#include <time.h>

uint64_t port_clock_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t port_clock_deadline_us(uint32_t timeout_ms)
{
	return port_clock_now_us() + (uint64_t)timeout_ms * 1000u;
}

int port_clock_slice_ms(uint64_t deadline_us)
{
	uint64_t now = port_clock_now_us();
	uint64_t ms;

	if (now >= deadline_us)
		return 0;
	ms = (deadline_us - now + 999) / 1000;
	return ms < PORT_CLOCK_SLICE_MS ? (int)ms : PORT_CLOCK_SLICE_MS;
}

int port_clock_check(struct port *p)
{
	if (!port_interrupted)
		return 0;
	return esp_fail(&p->err, ESP_E_INTERRUPTED, "%s: interrupted", p->name);
}

int port_clock_sleep(struct port *p, uint32_t ms)
{
	uint64_t until = port_clock_deadline_us(ms);
	uint64_t now;
	uint64_t us;
	struct timespec ts;
	int rc;

	while ((rc = port_clock_check(p)) == 0 && (now = port_clock_now_us()) < until) {
		us = until - now;
		if (us > PORT_CLOCK_SLICE_MS * 1000u)
			us = PORT_CLOCK_SLICE_MS * 1000u;
		ts = (struct timespec){ 0, (long)us * 1000 };
		nanosleep(&ts, NULL);
	}
	return rc;
}

uint64_t port_clock_port_now_us(struct port *p)
{
	(void)p;
	return port_clock_now_us();
}
