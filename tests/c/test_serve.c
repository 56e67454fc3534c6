#include "port_pty.h"
#include "port/gio.h"
#include "serve/serve.h"
#include "sim/chip.h"

#include <pthread.h>
#include <sys/resource.h>

/* The library forgets 24 bytes for a question that was never answered. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:sergensio_datasize\nleak:sergensio_parity\nleak:sergensio_stopbits\n"
	       "leak:sergensio_flowcontrol\nleak:sergensio_baud\n";
}

/* Each test has a static one: the thread outlives a test that fails. */
struct fixture {
	struct chip *chip;
	struct serve serve;
	struct port port;
	pthread_t thread;
	bool running;
};

static void *run(void *arg)
{
	struct serve *one = arg;

	assert_int_equal(serve_run(&one, 1, 0), 0);
	return NULL;
}

static void start(struct fixture *f, const char *where, bool wired)
{
	struct chip_config cfg;
	struct esp_error err;

	chip_config_init(&cfg);
	cfg.lines_wired = wired;
	cfg.strap = 1;		/* without lines: download mode */
	f->chip = chip_open(&cfg, &err);
	assert_non_null(f->chip);
	serve_init(&f->serve);
	assert_int_equal(serve_open(&f->serve, f->chip, where), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, run, &f->serve), 0);
	f->running = true;
	port_init(&f->port);
}

static void finish(struct fixture *f)
{
	port_close(&f->port);
	if (f->running) {
		serve_stop(&f->serve);
		pthread_join(f->thread, NULL);
	}
	serve_close(&f->serve);
	serve_close(&f->serve);
	chip_close(f->chip);
}

/* Reads until the bytes have ended for a while. */
static size_t read_some(struct port *p, uint8_t *buf, size_t cap, uint32_t quiet_ms)
{
	size_t n = 0;
	int rc;

	while (n < cap && (rc = port_read(p, buf + n, cap - n, quiet_ms)) > 0)
		n += (size_t)rc;
	return n;
}

static bool contains(const void *in, size_t len, const void *what, size_t n)
{
	return memmem(in, len, what, n) != NULL;
}

/* Reads until what was seen, or nothing more came for quiet_ms. */
static bool comes(struct port *p, const void *what, size_t n, uint32_t quiet_ms)
{
	uint8_t buf[2048];
	size_t len = 0;
	int rc = 1;

	while (!contains(buf, len, what, n) && len < sizeof buf && rc > 0) {
		rc = port_read(p, buf + len, sizeof buf - len, quiet_ms);
		len += rc > 0 ? (size_t)rc : 0;
	}
	return contains(buf, len, what, n);
}

static const uint8_t sync_frame[] = {
	0xc0, 0x00, 0x08, 0x24, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x07, 0x12, 0x20,
	0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
	0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
	0x55, 0x55, 0xc0,
};

/* SYNC until it is answered: the first one only measures the rate. Then the
 * word of the ROM by which the chip is known. */
static void talk_to_loader(struct port *p)
{
	static const uint8_t synced[] = { 0xc0, 0x01, 0x08, 0x02, 0x00 };
	static const uint8_t read_reg[] = {
		0xc0, 0x00, 0x0a, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x40, 0xc0,
	};
	static const uint8_t answer[] = {
		0xc0, 0x01, 0x0a, 0x02, 0x00, 0x01, 0xc1, 0xf0, 0xff, 0x00, 0x00, 0xc0,
	};
	bool answered = false;

	assert_int_equal(port_flush(p), 0);
	for (int i = 0; i < 20 && !answered; i++) {
		assert_true(port_write(p, sync_frame, sizeof sync_frame, 1000) >= 0);
		answered = comes(p, synced, sizeof synced, 60);
	}
	assert_true(answered);
	assert_true(port_write(p, read_reg, sizeof read_reg, 1000) >= 0);
	assert_true(comes(p, answer, sizeof answer, 2000));
}

static void reset_into_loader(struct port *p)
{
	assert_int_equal(port_set_lines(p, 0, 1), 0);
	assert_int_equal(port_sleep(p, 100), 0);
	assert_int_equal(port_set_lines(p, 1, 0), 0);
	assert_int_equal(port_sleep(p, 50), 0);
	assert_int_equal(port_set_lines(p, 0, 0), 0);
}

static bool have_library(void)
{
	struct esp_error err;
	struct gio g;

	if (gio_load(&g, &err) == 0)
		return true;
	print_message("%s\n", err.text);
	return false;
}

static void over_the_network_lines_reset_the_chip_and_its_loader_answers(void **state)
{
	static struct fixture f;

	(void)state;
	if (!have_library())
		skip();
	start(&f, "rfc2217:127.0.0.1:0", true);
	assert_int_equal(port_open(&f.port, f.serve.where, 115200), 0);
	reset_into_loader(&f.port);
	talk_to_loader(&f.port);
	finish(&f);
}

static void over_the_network_a_plain_reset_shows_the_banner_at_74880(void **state)
{
	static const char banner[] = "ets Jan  8 2013,rst cause:2, boot mode:(3,";
	static struct fixture f;
	uint8_t buf[512];
	size_t n;

	(void)state;
	if (!have_library())
		skip();
	start(&f, "rfc2217:127.0.0.1:0", true);
	assert_int_equal(port_open(&f.port, f.serve.where, 74880), 0);
	assert_int_equal(port_set_lines(&f.port, 0, 1), 0);
	assert_int_equal(port_flush(&f.port), 0);
	assert_int_equal(port_set_lines(&f.port, 0, 0), 0);
	assert_true(comes(&f.port, banner, sizeof banner - 1, 1000));
	assert_int_equal(port_set_baud(&f.port, 115200), 0);
	assert_int_equal(port_set_lines(&f.port, 0, 1), 0);
	assert_int_equal(port_flush(&f.port), 0);
	assert_int_equal(port_set_lines(&f.port, 0, 0), 0);
	n = read_some(&f.port, buf, sizeof buf, 300);
	assert_true(n > 20);	/* something comes, but not text */
	assert_false(contains(buf, n, banner, sizeof banner - 1));
	finish(&f);
}

static void the_next_client_finds_the_port_as_new(void **state)
{
	static struct fixture f;

	(void)state;
	if (!have_library())
		skip();
	start(&f, "rfc2217:127.0.0.1:0", true);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(port_open(&f.port, f.serve.where, 115200), 0);
		reset_into_loader(&f.port);
		talk_to_loader(&f.port);
		port_close(&f.port);
		for (int t = 0; t < 100 && serve_has_client(&f.serve); t++)
			nap_ms(10);
		assert_false(serve_has_client(&f.serve));
	}
	finish(&f);
}

static void a_second_client_is_turned_away_and_the_first_not_disturbed(void **state)
{
	static struct fixture f;
	struct port second;

	(void)state;
	if (!have_library())
		skip();
	start(&f, "rfc2217:127.0.0.1:0", true);
	assert_int_equal(port_open(&f.port, f.serve.where, 115200), 0);
	port_init(&second);
	assert_true(port_open(&second, f.serve.where, 9600) < 0);
	port_close(&second);
	reset_into_loader(&f.port);
	talk_to_loader(&f.port);
	finish(&f);
}

static void a_client_that_dies_leaves_a_server_for_the_next(void **state)
{
	static struct fixture f;
	pid_t pid;

	(void)state;
	if (!have_library())
		skip();
	start(&f, "rfc2217:127.0.0.1:0", true);
	pid = fork();
	if (pid == 0) {
		port_init(&f.port);
		_exit(port_open(&f.port, f.serve.where, 115200) == 0 ? 0 : 1);
	}
	assert_int_equal(child_code(pid), 0);
	nap_ms(100);
	assert_int_equal(port_open(&f.port, f.serve.where, 115200), 0);
	reset_into_loader(&f.port);
	talk_to_loader(&f.port);
	finish(&f);
}

static void an_address_in_use_is_busy(void **state)
{
	static struct fixture f, second;
	struct chip_config cfg;
	char where[128];

	(void)state;
	if (!have_library())
		skip();
	start(&f, "rfc2217:127.0.0.1:0", true);
	snprintf(where, sizeof where, "rfc2217:127.0.0.1:%s", strrchr(f.serve.where, ':') + 1);
	chip_config_init(&cfg);
	second.chip = chip_open(&cfg, &second.serve.err);
	assert_int_equal(serve_open(&second.serve, second.chip, where), ESP_E_BUSY);
	finish(&second);
	finish(&f);
}

static void over_a_pseudo_terminal_the_loader_answers(void **state)
{
	static struct fixture f;

	(void)state;
	start(&f, "pty", false);
	assert_int_equal(port_open(&f.port, f.serve.where, 115200), 0);
	talk_to_loader(&f.port);
	port_close(&f.port);
	nap_ms(150);
	assert_false(serve_has_client(&f.serve));
	assert_int_equal(port_open(&f.port, f.serve.where, 115200), 0);
	talk_to_loader(&f.port);
	finish(&f);
}

/* The rate of the first SYNC is the one that the loader measures and keeps. */
static void over_a_pseudo_terminal_the_rate_is_that_of_the_client(void **state)
{
	static struct fixture f;
	uint8_t buf[512];

	(void)state;
	start(&f, "pty", false);
	assert_int_equal(port_open(&f.port, f.serve.where, 460800), 0);
	talk_to_loader(&f.port);
	assert_int_equal(port_set_baud(&f.port, 115200), 0);
	assert_true(port_write(&f.port, sync_frame, sizeof sync_frame, 1000) >= 0);
	assert_int_equal(read_some(&f.port, buf, sizeof buf, 100), 0);
	finish(&f);
}

static void a_link_to_the_pseudo_terminal_is_made_and_removed(void **state)
{
	char dir[] = "/tmp/test_serve.XXXXXX", link[64], where[80];
	static struct fixture f;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(link, sizeof link, "%s/esp", dir);
	snprintf(where, sizeof where, "pty:%s", link);
	assert_int_equal(symlink("/dev/pts/stale", link), 0);
	start(&f, where, false);
	assert_string_equal(f.serve.where, link);
	assert_int_equal(port_open(&f.port, link, 115200), 0);
	talk_to_loader(&f.port);
	finish(&f);
	assert_int_equal(lstat(link, &st), -1);
	rmdir(dir);
}

static void a_file_in_the_links_place_is_kept(void **state)
{
	char file[] = "/tmp/test_serve.XXXXXX", where[64];
	struct chip_config cfg;
	struct esp_error err;
	struct chip *chip;
	struct serve s;
	struct stat st;

	(void)state;
	chip_config_init(&cfg);
	chip = chip_open(&cfg, &err);
	close(mkstemp(file));
	snprintf(where, sizeof where, "pty:%s", file);
	serve_init(&s);
	assert_int_equal(serve_open(&s, chip, where), ESP_E_IO);
	assert_non_null(strstr(s.err.text, file));
	serve_close(&s);
	assert_int_equal(lstat(file, &st), 0);
	unlink(file);
	chip_close(chip);
}

static void a_bad_place_is_an_argument_error(void **state)
{
	static const char *const bad[] = {
		"", "tcp:1", "rfc2217", "rfc2217:", "rfc2217:host", "rfc2217:host:x",
		"rfc2217:h:65536", "rfc2217:h,i:1", "rfc2217:h:1,2", "ptyx", "ptyx:a",
	};
	struct chip_config cfg;
	struct esp_error err;
	struct chip *chip;
	struct serve s;

	(void)state;
	chip_config_init(&cfg);
	chip = chip_open(&cfg, &err);
	assert_non_null(chip);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		serve_init(&s);
		assert_int_equal(serve_open(&s, chip, bad[i]), ESP_E_ARGUMENT);
		assert_null(s.impl);
	}
	chip_close(chip);
}

struct many {
	struct serve *list[3];
	size_t n;
};

static void *run_many(void *arg)
{
	struct many *m = arg;

	assert_int_equal(serve_run(m->list, m->n, 0), 0);
	return NULL;
}

static void several_chips_are_served_at_once(void **state)
{
	static const char *const where[] = { "rfc2217:127.0.0.1:0", "pty", "rfc2217:127.0.0.1:0" };
	static struct fixture f[3];
	struct many many = { .n = 3 };
	struct chip_config cfg;
	struct esp_error err;
	pthread_t thread;

	(void)state;
	if (!have_library())
		skip();
	chip_config_init(&cfg);
	cfg.strap = 1;
	cfg.flash_bytes = 1 << 20;
	for (int i = 0; i < 3; i++) {
		cfg.lines_wired = where[i][0] == 'r';
		f[i].chip = chip_open(&cfg, &err);
		assert_non_null(f[i].chip);
		serve_init(&f[i].serve);
		assert_int_equal(serve_open(&f[i].serve, f[i].chip, where[i]), 0);
		many.list[i] = &f[i].serve;
	}
	assert_int_equal(pthread_create(&thread, NULL, run_many, &many), 0);
	for (int i = 0; i < 3; i++) {
		port_init(&f[i].port);
		assert_int_equal(port_open(&f[i].port, f[i].serve.where, 115200), 0);
	}
	for (int i = 2; i >= 0; i--) {
		reset_into_loader(&f[i].port);
		talk_to_loader(&f[i].port);
	}
	for (int i = 0; i < 3; i++)
		serve_stop(&f[i].serve);
	pthread_join(thread, NULL);
	for (int i = 0; i < 3; i++)
		finish(&f[i]);
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void an_idle_chip_costs_next_to_nothing(void **state)
{
	static struct fixture f;
	double before, used;

	(void)state;
	start(&f, "pty", false);
	assert_int_equal(port_open(&f.port, f.serve.where, 115200), 0);
	talk_to_loader(&f.port);
	nap_ms(2100);		/* it counts as busy for 2 s */
	before = cpu_seconds();
	nap_ms(500);
	used = cpu_seconds() - before;
	print_message("idle: %.2f %% of a processor\n", used / 0.5 * 100);
	assert_true(used / 0.5 < 0.03);
	finish(&f);
}

static void the_time_limit_and_the_signal_end_the_serving(void **state)
{
	static struct fixture f;
	struct serve *one = &f.serve;
	uint64_t t;

	(void)state;
	start(&f, "pty", false);
	serve_stop(&f.serve);
	pthread_join(f.thread, NULL);
	f.running = false;
	atomic_store(&f.serve.stop, false);
	t = ms_now();
	assert_int_equal(serve_run(&one, 1, 200), 0);
	assert_lasted(t, 200);
	t = ms_now();
	alarm_start(on_signal_interrupt, 100, 0);
	assert_int_equal(serve_run(&one, 1, 0), ESP_E_INTERRUPTED);
	assert_lasted(t, 100);
	alarm_stop();
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(over_the_network_lines_reset_the_chip_and_its_loader_answers),
		cmocka_unit_test(over_the_network_a_plain_reset_shows_the_banner_at_74880),
		cmocka_unit_test(the_next_client_finds_the_port_as_new),
		cmocka_unit_test(a_second_client_is_turned_away_and_the_first_not_disturbed),
		cmocka_unit_test(a_client_that_dies_leaves_a_server_for_the_next),
		cmocka_unit_test(an_address_in_use_is_busy),
		cmocka_unit_test(over_a_pseudo_terminal_the_loader_answers),
		cmocka_unit_test(over_a_pseudo_terminal_the_rate_is_that_of_the_client),
		cmocka_unit_test(a_link_to_the_pseudo_terminal_is_made_and_removed),
		cmocka_unit_test(a_file_in_the_links_place_is_kept),
		cmocka_unit_test(a_bad_place_is_an_argument_error),
		cmocka_unit_test(several_chips_are_served_at_once),
		cmocka_unit_test(an_idle_chip_costs_next_to_nothing),
		cmocka_unit_test(the_time_limit_and_the_signal_end_the_serving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
