/* stand_in.c - plays NodeMCU's part in the examples: greets like it, shows a
 * prompt, answers a few lines.
 *
 * Not NodeMCU: no SDK, no Lua, no Wi-Fi. It lets the examples flash, boot and talk
 * to something on a simulated chip or a bare board. Three roles (-DROLE): a NodeMCU
 * 3, an old 0.9.5 at 9600 baud, and a factory's self-test that prints a verdict.
 * It calls functions of the chip's mask ROM (stand_in.ld has their addresses),
 * sleeps between ticks of the CPU's timer and never returns.
 */
#include <stddef.h>
#include <stdint.h>

#define NODEMCU_3 3
#define NODEMCU_0_9_5 9
#define SELF_TEST 1

#define REG(addr) (*(volatile uint32_t *)(addr))
#define UART0_FIFO REG(0x60000000)
#define UART0_CLKDIV REG(0x60000014)
#define UART0_STATUS REG(0x6000001C)	/* bytes received: 7..0, to send: 23..16 */
#define SPI0_CMD REG(0x60000200)
#define SPI0_W0 REG(0x60000240)
#define CMD_RDID (1u << 28)
#define EFUSE0 REG(0x3FF00050)
#define EFUSE1 REG(0x3FF00054)

/* As the boot ROM leaves them, CPU and UART run at twice the crystal's 26 MHz. */
#define CLOCK_HZ 52000000u
#define TICK_CYCLES (CLOCK_HZ / 500)	/* 2 ms: the FIFO fills in 11 */
#define TIMER_IRQ 6
#define BAUD (ROLE == NODEMCU_0_9_5 ? 9600u : 115200u)

int ets_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *ets_isr_attach(int n, void (*fn)(void *), void *arg);
void ets_isr_unmask(uint32_t bits);
void xthal_set_ccompare(int n, uint32_t v);
uint32_t xthal_get_ccount(void);
int SPIRead(uint32_t addr, void *dst, uint32_t len);
int SPIParamCfg(uint32_t id, uint32_t chip, uint32_t block, uint32_t sector, uint32_t page,
		uint32_t status_mask);
void hello_main(void);

#if ROLE == NODEMCU_0_9_5
#define KNOWN __attribute__((used, section(".rodata.known")))
static const char greeting[] =
	"\nNodeMCU 0.9.5 build 20150318  powered by Lua 5.1.4\n";
/* By these that generation is recognised in flash; no code here uses them. */
KNOWN static const char sdk[] = "SDK ver: %s compiled @ %s %s\0\0000.9.5\0Jan 30 2015\0"
	"Self adjust flash size.";
#elif ROLE == NODEMCU_3
static const char greeting[] =
	"\n\nNodeMCU 3.0.0.0 \n\tbranch: stand-in of moonflash's examples\n"
	"\tSSL: false\n\tbuild type: float\n\tLFS: 0x0 bytes total capacity\n"
	"\tmodules: file,gpio,net\n build " BUILD " powered by Lua 5.1.4 on SDK"
	" 3.0.1-dev(fce080e)\n";
#else
static const char greeting[] = "\nself-test of moonflash's examples\n";
#endif

/* Lets the ROM's last bytes out before the rate changes, and whoever listens
 * follow the change: 50 ms are more than any USB bridge keeps bytes back. */
static void set_baud(uint32_t baud)
{
	while (UART0_STATUS >> 16 & 0xFF)
		;
	for (uint32_t start = xthal_get_ccount(); xthal_get_ccount() - start < CLOCK_HZ / 20;)
		;
	UART0_CLKDIV = (CLOCK_HZ + baud / 2) / baud;
}

static void tick(void *arg)
{
	uint32_t *next = arg;

	*next += TICK_CYCLES;
	xthal_set_ccompare(0, *next);	/* also takes the interrupt back */
}

static void start_ticks(void)
{
	static uint32_t next;

	next = xthal_get_ccount() + TICK_CYCLES;
	xthal_set_ccompare(0, next);
	ets_isr_attach(TIMER_IRQ, tick, &next);
	ets_isr_unmask(1u << TIMER_IRQ);
}

static uint32_t flash_id(void)
{
	SPI0_CMD = CMD_RDID;
	while (SPI0_CMD)
		;
	return SPI0_W0 & 0xFFFFFF;
}

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

/* Does a line begin with this word? */
static int begins(const char *line, const char *word)
{
	while (*word)
		if (*line++ != *word++)
			return 0;
	return 1;
}

static uint32_t hex(const char *s)
{
	uint32_t v = 0;

	for (;; s++) {
		uint32_t low = (uint32_t)*s | 0x20;

		if (*s >= '0' && *s <= '9')
			v = v << 4 | (uint32_t)(*s - '0');
		else if (low >= 'a' && low <= 'f')
			v = v << 4 | (low - 'a' + 10);
		else
			return v;
	}
}

/* =flash(0x3f8000): the text that is there, at most 64 bytes of it. */
static void show_flash(uint32_t addr)
{
	uint32_t words[16];
	const char *text = (const char *)words;

	SPIParamCfg(flash_id(), 0x1000000, 0x10000, 0x1000, 0x100, 0xFFFF);
	if (SPIRead(addr & ~3u, words, sizeof words)) {
		ets_printf("flash cannot be read\n");
		return;
	}
	for (size_t i = 0; i < sizeof words && text[i] >= ' ' && text[i] <= '~'; i++)
		ets_printf("%c", text[i]);
	ets_printf("\n");
}

/* print("text") */
static void print_text(char *line)
{
	size_t n = length(line);

	if (n < 9 || line[n - 1] != ')' || line[n - 2] != '"')
		ets_printf("stdin:1: unfinished string\n");
	else {
		line[n - 2] = 0;
		ets_printf("%s\n", line + 7);
	}
}

static void answer(char *line)
{
	if (begins(line, "print(\""))
		print_text(line);
	else if (begins(line, "=node.chipid()"))
		ets_printf("%u\n", (unsigned)(EFUSE0 >> 24 | (EFUSE1 & 0xFFFFFF) << 8));
	else if (begins(line, "=node.heap()"))
		ets_printf("%u\n", 45000u);
	else if (begins(line, "=flash(0x"))
		show_flash(hex(line + 9));
	else if (*line)
		ets_printf("stdin:1: the stand-in does not understand '%s'\n", line);
}

/* Takes what was received; echoes it as NodeMCU does. */
static void listen(void)
{
	static char line[128];
	static size_t n;

	while (UART0_STATUS & 0xFF) {
		char c = (char)UART0_FIFO;

		if (c == '\r' || c == '\n') {
			ets_printf("\n");
			line[n] = 0;
			answer(line);
			n = 0;
			ets_printf("> ");
		} else if (n < sizeof line - 1) {
			line[n++] = c;
			ets_printf("%c", c);
		}
	}
}

/* Every word of 8 KB keeps what was put there. */
static int ram_works(void)
{
	static volatile uint32_t words[2048];
	uint32_t i, pattern;

	for (pattern = 0x55555555; pattern; pattern = pattern == 0x55555555 ? 0xAAAAAAAA : 0) {
		for (i = 0; i < 2048; i++)
			words[i] = pattern ^ i;
		for (i = 0; i < 2048; i++)
			if (words[i] != (pattern ^ i))
				return 0;
	}
	return 1;
}

/* The verdict that a factory waits for: RAM works, and there is flash for the
 * product (the third byte of the id is the size as a power of two). */
static void self_test(void)
{
	uint32_t id = flash_id();
	uint32_t size_code = id >> 16;
	int ram = ram_works(), flash = size_code >= 0x15 && size_code <= 0x18;

	ets_printf("ram %s\n", ram ? "good" : "BAD");
	ets_printf("flash %s, id %06x\n", flash ? "good" : "TOO SMALL", (unsigned)id);
	ets_printf("verdict %s\n", ram && flash ? "PASS" : "FAIL");
}

void hello_main(void)
{
	set_baud(BAUD);
	ets_printf("%s", greeting);
	if (ROLE == SELF_TEST)
		self_test();
	else
		ets_printf("lua: init.lua is for the real one\n> ");
	start_ticks();
	for (;;) {
		listen();
		__asm__ volatile("waiti 0" : : : "memory");
	}
}
