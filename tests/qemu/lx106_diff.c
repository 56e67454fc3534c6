/* lx106_diff.c - the interpreter against qemu-system-xtensa, instruction by
 * instruction.
 *
 * usage: lx106_diff VECTORS.bin IMAGE.bin PROGRAMS SEED
 *
 * Builds an image of random programs, has QEMU log the registers before every
 * instruction, and steps this project's CPU beside that log. Compared: pc,
 * a0..a15 and the special registers; memory by way of the registers, since
 * every program ends by loading all of its data.
 *
 * Not compared: CCOUNT and the timer's interrupt bit (QEMU's clock is not that
 * of the instructions), and the bits of PS that belong to register windows,
 * which QEMU keeps for every core.
 */
#include "generate.h"

#include "sim/cpu_core.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DATA_RAM = 0x3ffc0000, DATA_RAM_BYTES = 0x10000, MAX_DIFFERENCES = 5 };

/* Registers in QEMU's log that are compared, and where ours are. */
static const struct {
	const char *name;
	size_t at;
	uint32_t mask;
} special[] = {
	{ "DDR", offsetof(struct cpu, ddr), UINT32_MAX },
	{ "INTERRUPT", offsetof(struct cpu, interrupt), ~(1u << CPU_IRQ_TIMER) },
	{ "ICOUNT", offsetof(struct cpu, icount), UINT32_MAX },
	{ "VECBASE", offsetof(struct cpu, vecbase), UINT32_MAX },
	{ "EPC1", offsetof(struct cpu, epc[1]), UINT32_MAX },
	{ "EPC2", offsetof(struct cpu, epc[2]), UINT32_MAX },
	{ "EPC3", offsetof(struct cpu, epc[3]), UINT32_MAX },
	{ "EXCSAVE1", offsetof(struct cpu, excsave[1]), UINT32_MAX },
	{ "EXCSAVE2", offsetof(struct cpu, excsave[2]), UINT32_MAX },
	{ "EXCSAVE3", offsetof(struct cpu, excsave[3]), UINT32_MAX },
	{ "EPS2", offsetof(struct cpu, eps[2]), UINT32_MAX },
	{ "EPS3", offsetof(struct cpu, eps[3]), UINT32_MAX },
	{ "EXCCAUSE", offsetof(struct cpu, exccause), UINT32_MAX },
	{ "DEPC", offsetof(struct cpu, depc), UINT32_MAX },
	{ "EXCVADDR", offsetof(struct cpu, excvaddr), UINT32_MAX },
	{ "SAR", offsetof(struct cpu, sar), UINT32_MAX },
	{ "LITBASE", offsetof(struct cpu, litbase), UINT32_MAX },
	{ "PS", offsetof(struct cpu, ps), 0x3f },
	{ "INTENABLE", offsetof(struct cpu, intenable), UINT32_MAX },
	{ "DBREAKA0", offsetof(struct cpu, dbreaka), UINT32_MAX },
	{ "IBREAKA0", offsetof(struct cpu, ibreaka), UINT32_MAX },
	{ "ICOUNTLEVEL", offsetof(struct cpu, icountlevel), UINT32_MAX },
	{ "DEBUGCAUSE", offsetof(struct cpu, debugcause), UINT32_MAX },
};
enum { SPECIALS = sizeof special / sizeof *special };

struct state {
	uint32_t pc, a[16], sr[SPECIALS];
};

struct diff {
	struct cpu cpu;
	struct bus bus;
	uint8_t *image;
	uint32_t image_bytes;
	uint8_t ram[DATA_RAM_BYTES];
	uint64_t instructions;
	unsigned differences;
	uint32_t previous_pc;
};

/* Where QEMU's machine has memory that is no region here: reads as zero. */
static bool other_ram(uint32_t addr)
{
	return (addr >= 0x3ff40000 && addr < 0x40300000) || addr >> 26 == 0x50000000u >> 26 ||
	       addr >> 27 == 0x60000000u >> 27;
}

static int io_read(void *io, uint32_t addr, uint32_t *value)
{
	(void)io;
	*value = 0;
	return other_ram(addr) ? 0 : 15;	/* load/store PIF address error */
}

static int io_write(void *io, uint32_t addr, uint32_t value)
{
	(void)io;
	(void)value;
	return other_ram(addr) ? 0 : 15;
}

/* One "NAME=hex" of the log. */
static void take_value(struct state *s, const char *name, size_t length, uint32_t value)
{
	if (length == 3 && name[0] == 'A' && name[1] >= '0' && name[1] <= '1') {
		s->a[((name[1] - '0') * 10 + (name[2] - '0')) & 15] = value;
		return;
	}
	for (size_t i = 0; i < SPECIALS; i++)
		if (strlen(special[i].name) == length && !memcmp(special[i].name, name, length)) {
			s->sr[i] = value;
			return;
		}
}

static void take_line(struct state *s, const char *line)
{
	for (const char *eq = strchr(line, '='); eq; eq = strchr(eq + 1, '=')) {
		const char *name = eq;

		while (name > line && name[-1] > ' ')
			name--;
		take_value(s, name, (size_t)(eq - name), (uint32_t)strtoul(eq + 1, NULL, 16));
	}
}

/* The next register dump of the log: from a line "PC=" to the register file. */
static bool next_state(FILE *log, struct state *s)
{
	char line[256];
	bool inside = false;

	memset(s, 0, sizeof *s);
	while (fgets(line, sizeof line, log)) {
		if (strncmp(line, "PC=", 3) == 0) {
			s->pc = (uint32_t)strtoul(line + 3, NULL, 16);
			inside = true;
		} else if (inside && strncmp(line, "AR00=", 5) == 0) {
			return true;
		} else if (inside) {
			take_line(s, line);
		}
	}
	return false;
}

static bool differ(struct diff *d, const char *name, uint32_t qemu, uint32_t ours)
{
	if (qemu == ours)
		return false;
	printf("at %08" PRIx32 ", after the instruction at %08" PRIx32
	       ": %s is %08" PRIx32 ", in QEMU %08" PRIx32 "\n",
	       d->cpu.pc, d->previous_pc, name, ours, qemu);
	return true;
}

/* Reports what differs and goes on from QEMU's state. */
static void compare(struct diff *d, const struct state *s)
{
	struct cpu *c = &d->cpu;
	bool different = differ(d, "pc", s->pc, c->pc);

	for (unsigned i = 0; i < 16; i++) {
		char name[8];

		snprintf(name, sizeof name, "a%u", i);
		different |= differ(d, name, s->a[i], c->a[i]);
	}
	for (size_t i = 0; i < SPECIALS; i++) {
		uint32_t *ours = (uint32_t *)((uint8_t *)c + special[i].at);

		different |= differ(d, special[i].name, s->sr[i] & special[i].mask,
				    *ours & special[i].mask);
		*ours = (*ours & ~special[i].mask) | (s->sr[i] & special[i].mask);
	}
	memcpy(c->a, s->a, sizeof c->a);
	c->pc = s->pc;
	d->differences += different;
}

static void step(struct diff *d)
{
	d->previous_pc = d->cpu.pc;
	if (cpu_run(&d->cpu, d->cpu.cycles + 1) == CPU_STOP_POLL)
		d->differences++;	/* one instruction is no loop */
	if (cpu_irq_due(&d->cpu))
		cpu_irq_take(&d->cpu);
}

static void run(struct diff *d, FILE *log)
{
	struct state s;

	d->cpu.pc = IMAGE_BASE;
	for (bool first = true; next_state(log, &s); first = false) {
		if (!first)
			step(d);
		d->instructions += !first;
		compare(d, &s);
		if (d->differences == MAX_DIFFERENCES)
			return;
	}
}

static bool build_image(struct diff *d, const char *vectors, size_t programs, uint32_t seed)
{
	FILE *f = fopen(vectors, "rb");
	size_t got;

	d->image_bytes = (uint32_t)(PROGRAMS_AT + (programs + 1) * PROGRAM_BYTES);
	d->image = calloc(1, d->image_bytes);
	if (!f || !d->image)
		return false;
	got = fread(d->image, 1, PROGRAMS_AT, f);
	fclose(f);
	for (size_t i = 0; i < programs; i++)
		generate(d->image + PROGRAMS_AT + i * PROGRAM_BYTES, i, programs, seed);
	return got > 0;
}

static bool save(const char *path, const uint8_t *data, size_t size)
{
	FILE *f = fopen(path, "wb");
	bool good = f && fwrite(data, 1, size, f) == size;

	return f && fclose(f) == 0 && good;
}

static FILE *start_qemu(const char *image, pid_t *pid)
{
	char loader[300];
	int ends[2];

	snprintf(loader, sizeof loader, "loader,file=%s,addr=0x%x", image, IMAGE_BASE);
	if (pipe(ends) < 0)
		return NULL;
	*pid = fork();
	if (*pid == 0) {
		dup2(ends[1], 2);
		close(ends[0]);
		close(ends[1]);
		execlp("qemu-system-xtensa", "qemu-system-xtensa", "-M", "sim", "-cpu", "lx106",
		       "-display", "none", "-serial", "none", "-monitor", "none", "-semihosting",
		       "-singlestep", "-d", "cpu,nochain", "-device", loader, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	return *pid < 0 ? NULL : fdopen(ends[0], "r");
}

static int finish(struct diff *d, size_t programs, uint32_t end_pc)
{
	if (d->differences == 0 && (d->cpu.pc < end_pc || d->instructions < programs * 100)) {
		printf("QEMU stopped at %08" PRIx32 ", before the last program's end\n", d->cpu.pc);
		return 1;
	}
	printf("%zu programs, %" PRIu64 " instructions, %u differences\n", programs,
	       d->instructions, d->differences);
	return d->differences != 0;
}

int main(int argc, char **argv)
{
	static struct diff d;
	size_t programs = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
	uint32_t seed = argc == 5 ? (uint32_t)strtoul(argv[4], NULL, 10) : 0;
	pid_t qemu = 0;
	FILE *log;

	if (programs == 0 || programs > 10000) {
		fprintf(stderr, "usage: lx106_diff VECTORS.bin IMAGE.bin PROGRAMS(1..10000) SEED\n");
		return 2;
	}
	if (!build_image(&d, argv[1], programs, seed) || !save(argv[2], d.image, d.image_bytes)) {
		perror("lx106_diff");
		return 2;
	}
	d.bus = (struct bus){
		.region = {
			{ DATA_RAM, DATA_RAM_BYTES, d.ram, 15 },
			{ IMAGE_BASE, d.image_bytes, d.image, 15 },
		},
		.regions = 2, .io_read = io_read, .io_write = io_write,
	};
	log = start_qemu(argv[2], &qemu);
	if (!log || cpu_open(&d.cpu, &d.bus) < 0) {
		perror("lx106_diff");
		return 2;
	}
	run(&d, log);
	fclose(log);
	kill(qemu, SIGKILL);	/* after a difference it may never end */
	waitpid(qemu, NULL, 0);
	cpu_close(&d.cpu);
	free(d.image);
	return finish(&d, programs,
		      IMAGE_BASE + PROGRAMS_AT + (uint32_t)(programs - 1) * PROGRAM_BYTES);
}
