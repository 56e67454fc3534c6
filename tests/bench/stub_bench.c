/* stub_bench [URL-options [KB [BAUD [SYNC_BAUD]]]] - what the stub costs on the
 * simulated chip, in its own time: bytes on the wire, seconds, instructions.
 *
 * The image is this program's own code: machine code compresses as firmware
 * does. Prints `name value unit`, a line each. */
#include "../../src/loader/stub.h"
#include "../../src/port/port_sim.h"
#include "../../src/sim/chip.h"
#include "../../src/sim/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct port port;
static struct rom rom;
static struct stub stub;
static uint64_t mark_us, mark_instructions;

static void must(int rc, const struct esp_error *e, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, e->text);
	exit(1);
}

static uint64_t instructions(void)
{
	return chip_cpu(port_sim_chip(&port))->instructions;
}

static void start(void)
{
	mark_us = port_now_us(&port);
	mark_instructions = instructions();
}

static void stop(const char *what, uint64_t bytes, uint32_t baud)
{
	double s = (double)(port_now_us(&port) - mark_us) / 1e6;

	printf("%-28s %9.4f s", what, s);
	if (bytes)
		printf("  %9llu bytes  %7.1f kB/s  %6.1f instructions/byte",
		       (unsigned long long)bytes, (double)bytes / s / 1000,
		       (double)(instructions() - mark_instructions) / (double)bytes);
	if (baud)
		printf("  %5.3f x wire",
		       s / ((double)stub.counters.sent_bytes * 10 / baud));
	putchar('\n');
}

static uint8_t *image(size_t n)
{
	uint8_t *p = malloc(n);
	FILE *f = fopen("/proc/self/exe", "rb");
	size_t got = f && p ? fread(p, 1, n, f) : 0;

	if (got < n)
		exit(1);
	fclose(f);
	return p;
}

int main(int argc, char **argv)
{
	const char *options = argc > 1 ? argv[1] : "latency=1";
	uint32_t n = (argc > 2 ? (uint32_t)atoi(argv[2]) : 400) * 1024;
	uint32_t baud = argc > 3 ? (uint32_t)atoi(argv[3]) : 921600;
	uint32_t sync = argc > 4 ? (uint32_t)atoi(argv[4]) : 460800;
	const struct reset_sequence *seq = reset_find("nodemcu", RESET_TO_LOADER);
	struct rom_connect how = { seq, 1, 0, false };
	uint8_t *data = image(n), *back = malloc(n);
	char url[256];
	uint32_t *crc = malloc(STUB_SECTORS_MAX * sizeof *crc);
	struct stub_digest d;
	struct stub_info info;
	struct chip_stats stats;
	uint64_t uploaded;

	snprintf(url, sizeof url, "sim:?%s", options);
	port_init(&port);
	must(port_open(&port, url, sync), &port.err, "open");
	start();
	rom_init(&rom, &port);
	must(rom_connect(&rom, &how), &rom.err, "connect");
	stop("reset to ROM", 0, 0);
	start();
	stub_init(&stub, &port);
	uploaded = port.sent_bytes;
	must(stub_start_at(&stub, &rom, baud), &stub.err, "start");
	stop("stub upload and start", 0, 0);
	printf("sent for it, framing and questions included: %llu bytes\n",
	       (unsigned long long)(port.sent_bytes - uploaded));
	start();
	must(stub_set_baud(&stub, baud, WIRE_CLOCK_PLL | WIRE_CLOCK_DOUBLE), &stub.err, "baud");
	stop("baud change", 0, 0);
	start();
	must(stub_info(&stub, &info), &stub.err, "info");
	stop("info", 0, 0);
	printf("jedec %06x sfdp %.4s\n", info.jedec_id, info.sfdp);
	memset(&stub.counters, 0, sizeof stub.counters);
	start();
	must(stub_write(&stub, 0, data, n, NULL), &stub.err, "write");
	stop("write over blank", n, baud);
	printf("units %llu -> %llu, sent %llu resent %llu bytes %llu received %llu\n",
	       (unsigned long long)stub.counters.plain, (unsigned long long)stub.counters.packed,
	       (unsigned long long)stub.counters.sent, (unsigned long long)stub.counters.resent,
	       (unsigned long long)stub.counters.sent_bytes,
	       (unsigned long long)stub.counters.received_bytes);
	memset(&stub.counters, 0, sizeof stub.counters);
	data[5] ^= 1;
	start();
	must(stub_write(&stub, 0, data, n, NULL), &stub.err, "rewrite");
	stop("write over data", n, baud);
	start();
	must(stub_hashes(&stub, 0, n, crc), &stub.err, "hashes");
	stop("hashes", n, 0);
	start();
	must(stub_digest(&stub, 0, n, &d), &stub.err, "digest");
	stop("digest (CRC and MD5)", n, 0);
	start();
	must(stub_read(&stub, 0, back, n, NULL), &stub.err, "read");
	stop("read", n, 0);
	if (memcmp(data, back, n) != 0)
		puts("DIFFERENT");
	free(back);
	back = malloc(4 << 20);
	memset(&stub.counters, 0, sizeof stub.counters);
	start();
	must(stub_read(&stub, 0, back, 4 << 20, NULL), &stub.err, "read");
	stop("read 4 MB", 4 << 20, 0);
	printf("received %llu\n", (unsigned long long)stub.counters.received_bytes);
	start();
	must(stub_erase(&stub, 0, 1 << 20, NULL), &stub.err, "erase");
	stop("erase 1 MB", 0, 0);
	start();
	must(stub_erase_chip(&stub, NULL), &stub.err, "erase chip");
	stop("erase chip", 0, 0);
	start();
	must(stub_run(&stub, WIRE_RUN_RESET, 0), &stub.err, "run");
	stop("leave", 0, 0);
	chip_get_stats(port_sim_chip(&port), &stats);
	printf("lost in the UART's FIFO: %llu bytes\n", (unsigned long long)stats.uart_lost);
	stub_close(&stub);
	port_close(&port);
	free(data);
	free(back);
	free(crc);
	return 0;
}
