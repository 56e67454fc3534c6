#include "port_pty.h"
#include "port/port_holder.h"

#include <asm/termbits.h>
#include <sys/ioctl.h>

#define NOBODY 65534

struct fixture {
	struct pty pty;
	struct port port;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	port_interrupted = 0;
	pty_open(&f->pty);
	port_init(&f->port);
	assert_int_equal(port_open(&f->port, f->pty.path, 115200), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	alarm_stop();
	port_close(&f->port);
	pty_close(&f->pty);
	free(f);
	return 0;
}

static void bytes_of_every_value_travel_both_ways(void **state)
{
	struct fixture *f = *state;
	uint8_t all[256], got[256];
	size_t n = 0;

	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	assert_int_equal(port_write(&f->port, all, sizeof all, 1000), 0);
	assert_int_equal(port_drain(&f->port, 1000), 0);
	assert_int_equal(read(f->pty.master, got, sizeof got), sizeof all);
	assert_memory_equal(got, all, sizeof all);
	memset(got, 0, sizeof got);
	assert_int_equal(write(f->pty.master, all, sizeof all), sizeof all);
	while (n < sizeof got) {
		int rc = port_read(&f->port, got + n, sizeof got - n, 1000);

		assert_true(rc > 0);
		n += (size_t)rc;
	}
	assert_memory_equal(got, all, sizeof all);
	assert_int_equal(port_read(&f->port, got, sizeof got, 0), 0);
}

static void a_read_returns_when_its_time_is_up(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();
	uint8_t b;

	assert_int_equal(port_read(&f->port, &b, 1, 0), 0);
	assert_lasted(start, 0);
	start = ms_now();
	assert_int_equal(port_read(&f->port, &b, 1, 350), 0);
	assert_lasted(start, 350);
}

static void a_read_does_not_wait_for_more_than_the_first_byte(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();
	uint8_t b[16];

	assert_int_equal(write(f->pty.master, "abc", 3), 3);
	assert_int_equal(port_read(&f->port, b, sizeof b, 5000), 3);
	assert_lasted(start, 0);
}

static void a_closed_other_side_is_gone(void **state)
{
	struct fixture *f = *state;
	uint8_t b[16];

	pty_close(&f->pty);
	assert_int_equal(port_read(&f->port, b, sizeof b, 0), ESP_E_GONE);
	assert_int_equal(port_read(&f->port, b, sizeof b, 1000), ESP_E_GONE);
	assert_non_null(strstr(f->port.err.text, f->port.name));
	assert_int_equal(port_write(&f->port, "x", 1, 1000), ESP_E_GONE);
}

static void closing_the_other_side_ends_a_waiting_read(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();
	uint8_t b;
	pid_t pid = fork();

	if (pid == 0) {		/* the child keeps the only master for a while */
		nap_ms(150);
		_exit(0);
	}
	pty_close(&f->pty);
	assert_int_equal(port_read(&f->port, &b, 1, 10000), ESP_E_GONE);
	assert_lasted(start, 150);
	child_code(pid);
}

static void a_second_open_in_this_program_is_busy(void **state)
{
	struct fixture *f = *state;
	struct port second;

	port_init(&second);
	assert_int_equal(port_open(&second, f->pty.path, 115200), ESP_E_BUSY);
	assert_non_null(strstr(second.err.text, f->pty.path));
	assert_non_null(strstr(second.err.text, "this program"));
	assert_false(port_is_open(&second));
	port_close(&second);
}

static void a_second_open_names_the_process_that_holds_the_port(void **state)
{
	struct fixture *f = *state;
	char want[64], ready = 0;
	struct port p;
	int pipes[2];
	pid_t pid;

	port_close(&f->port);
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		port_init(&p);
		ready = port_open(&p, f->pty.path, 9600) == 0;
		if (write(pipes[1], &ready, 1) == 1)
			nap_ms(10000);
		_exit(0);
	}
	assert_int_equal(read(pipes[0], &ready, 1), 1);
	assert_int_equal(ready, 1);
	port_init(&p);
	assert_int_equal(port_open(&p, f->pty.path, 115200), ESP_E_BUSY);
	kill(pid, SIGKILL);
	child_code(pid);
	close(pipes[0]);
	close(pipes[1]);
	snprintf(want, sizeof want, "process %ld (", (long)pid);
	assert_non_null(strstr(p.err.text, want));
	assert_non_null(strstr(p.err.text, "test_port_tty"));
}

/* Runs body in a child as a user without rights; its code is the child's. */
static int as_nobody(int (*body)(const char *path), const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
			_exit(250);
		_exit(body(path));
	}
	return child_code(pid);
}

static int open_without_permission(const char *path)
{
	struct port p;

	port_init(&p);
	if (port_open(&p, path, 115200) != ESP_E_ACCESS)
		return 1;
	if (!strstr(p.err.text, "group tty (mode 0620)"))
		return 2;
	return port_is_open(&p) ? 3 : 0;
}

static void no_permission_names_the_owning_group(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0) {
		print_message("needs root\n");
		skip();
	}
	assert_int_equal(chown(f->pty.path, 0, 5), 0);	/* tty is 5 on Debian */
	assert_int_equal(chmod(f->pty.path, 0620), 0);
	port_close(&f->port);
	assert_int_equal(as_nobody(open_without_permission, f->pty.path), 0);
}

static int open_plainly(const char *path)
{
	return open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK) < 0 && errno == EBUSY ? 0 : 1;
}

static int open_as_port(const char *path)
{
	struct port p;

	port_init(&p);
	return port_open(&p, path, 115200) == ESP_E_BUSY && strstr(p.err.text, "process ") ? 0 : 1;
}

static void other_users_programs_cannot_open_it_meanwhile(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0) {
		print_message("needs root\n");
		skip();
	}
	assert_int_equal(chmod(f->pty.path, 0666), 0);
	assert_int_equal(as_nobody(open_plainly, f->pty.path), 0);
	assert_int_equal(as_nobody(open_as_port, f->pty.path), 0);
	port_close(&f->port);
	assert_int_equal(as_nobody(open_plainly, f->pty.path), 1);
}

/* Root may open it in spite of TIOCEXCL, and finds the lock. */
static void a_program_that_was_refused_leaves_the_hold_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct port second;

	if (geteuid() != 0) {
		print_message("needs root\n");
		skip();
	}
	assert_int_equal(chmod(f->pty.path, 0666), 0);
	port_init(&second);
	assert_int_equal(port_open(&second, f->pty.path, 115200), ESP_E_BUSY);
	assert_int_equal(as_nobody(open_plainly, f->pty.path), 0);
}

static void of_programs_that_open_at_once_exactly_one_wins(void **state)
{
	struct fixture *f = *state;

	port_close(&f->port);
	for (int round = 0; round < 50; round++) {
		pid_t pid[4];
		int go[2], done[2], won = 0;

		assert_int_equal(pipe(go), 0);
		assert_int_equal(pipe(done), 0);
		for (int i = 0; i < 4; i++) {
			pid[i] = fork();
			if (pid[i] == 0) {
				struct port p;
				char c;
				int rc;

				close(go[1]);
				close(done[1]);
				port_init(&p);
				rc = read(go[0], &c, 1);	/* ends for all at once */
				rc = port_open(&p, f->pty.path, 115200);
				close(go[0]);
				if (rc == 0)	/* hold it until all have tried */
					nap_ms(30);
				_exit(rc == 0 ? 1 : rc == ESP_E_BUSY ? 0 : 99);
			}
		}
		close(go[0]);
		close(go[1]);
		close(done[0]);
		close(done[1]);
		for (int i = 0; i < 4; i++)
			won += child_code(pid[i]);
		assert_int_equal(won, 1);
	}
}

static struct termios2 settings(struct fixture *f)
{
	struct termios2 t;

	assert_int_equal(ioctl(f->pty.master, TCGETS2, &t), 0);
	return t;
}

static void any_rate_is_set_and_can_be_read_back(void **state)
{
	static const uint32_t rates[] = { 74880, 115200, 250000, 921600, 1500000, 3333333 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		assert_int_equal(port_set_baud(&f->port, rates[i]), 0);
		assert_int_equal(settings(f).c_ospeed, rates[i]);
		assert_int_equal(settings(f).c_ispeed, rates[i]);
		assert_int_equal(f->port.baud, rates[i]);
	}
}

static void a_rate_out_of_range_is_an_argument_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(port_set_baud(&f->port, 0), ESP_E_ARGUMENT);
	assert_int_equal(port_set_baud(&f->port, PORT_MAX_BAUD + 1), ESP_E_ARGUMENT);
	assert_int_equal(f->port.baud, 115200);
}

static void closing_puts_the_settings_back_but_for_the_hang_up(void **state)
{
	struct fixture *f = *state;
	struct termios2 found, raw, after;

	port_close(&f->port);
	found = settings(f);
	found.c_cflag |= HUPCL;
	assert_int_equal(ioctl(f->pty.master, TCSETS2, &found), 0);
	assert_int_equal(port_open(&f->port, f->pty.path, 921600), 0);
	raw = settings(f);
	assert_int_equal(raw.c_lflag, 0);
	assert_int_equal(raw.c_oflag, 0);
	assert_int_equal(raw.c_cflag & (CSIZE | PARENB | CSTOPB | CRTSCTS | HUPCL | CLOCAL | CREAD),
			 CS8 | CLOCAL | CREAD);
	port_close(&f->port);
	after = settings(f);
	assert_int_equal(after.c_iflag, found.c_iflag);
	assert_int_equal(after.c_oflag, found.c_oflag);
	assert_int_equal(after.c_lflag, found.c_lflag);
	assert_int_equal(after.c_ospeed, found.c_ospeed);
	assert_int_equal(after.c_cflag, found.c_cflag & ~(unsigned)HUPCL);
}

static void modem_lines_and_break_are_absent_and_do_no_harm(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(f->port.ops->kind, "tty");
	assert_false(port_has(&f->port, PORT_HAS_LINES));
	assert_false(port_has(&f->port, PORT_HAS_BAUD));
	assert_int_equal(port_set_lines(&f->port, 1, 0), 0);
	assert_int_equal(port_set_break(&f->port, true), 0);
	assert_int_equal(port_set_break(&f->port, false), 0);
}

static void a_flush_drops_what_was_received(void **state)
{
	struct fixture *f = *state;
	uint8_t b[8];

	assert_int_equal(write(f->pty.master, "stale", 5), 5);
	nap_ms(20);
	assert_int_equal(port_flush(&f->port), 0);
	assert_int_equal(port_read(&f->port, b, sizeof b, 50), 0);
	assert_int_equal(write(f->pty.master, "new", 3), 3);
	assert_int_equal(port_read(&f->port, b, sizeof b, 1000), 3);
	assert_memory_equal(b, "new", 3);
}

static void a_peer_that_does_not_read_is_a_timeout(void **state)
{
	struct fixture *f = *state;
	static uint8_t big[1 << 18];
	uint64_t start = ms_now();

	assert_int_equal(port_write(&f->port, big, sizeof big, 300), ESP_E_TIMEOUT);
	assert_lasted(start, 300);
	assert_non_null(strstr(f->port.err.text, "of 262144 bytes"));
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 167 + (i >> 8) * 13);
}

/* Reads len bytes slowly from the master; 0 when they are the pattern. */
static int slow_reader(int fd, size_t len)
{
	uint8_t buf[3000];
	size_t at = 0;

	while (at < len) {
		ssize_t n = read(fd, buf, sizeof buf);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return 1;
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != pattern(at++))
				return 2;
		nap_ms(1);
	}
	return 0;
}

static void write_to_slow_reader(struct fixture *f)
{
	static uint8_t big[1 << 18];
	pid_t pid;

	for (size_t i = 0; i < sizeof big; i++)
		big[i] = pattern(i);
	pid = fork();
	if (pid == 0) {
		alarm_stop();
		_exit(slow_reader(f->pty.master, sizeof big));
	}
	assert_int_equal(port_write(&f->port, big, sizeof big, 10000), 0);
	alarm_stop();
	assert_int_equal(child_code(pid), 0);
}

static void a_write_larger_than_all_buffers_arrives_whole(void **state)
{
	write_to_slow_reader(*state);
}

static void a_storm_of_signals_loses_and_delays_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t start;
	uint8_t b;

	alarm_start(on_signal_ignore, 1, 1);
	write_to_slow_reader(f);
	alarm_start(on_signal_ignore, 1, 1);
	start = ms_now();
	assert_int_equal(port_read(&f->port, &b, 1, 300), 0);
	assert_lasted(start, 300);
	start = ms_now();
	assert_int_equal(port_sleep(&f->port, 300), 0);
	assert_lasted(start, 300);
}

static void a_signal_ends_a_read(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();
	uint8_t b;

	alarm_start(on_signal_interrupt, 100, 0);
	assert_int_equal(port_read(&f->port, &b, 1, 10000), ESP_E_INTERRUPTED);
	assert_lasted(start, 100);
}

static void a_signal_ends_a_write(void **state)
{
	struct fixture *f = *state;
	static uint8_t big[1 << 18];
	uint64_t start = ms_now();

	alarm_start(on_signal_interrupt, 100, 0);
	assert_int_equal(port_write(&f->port, big, sizeof big, 10000), ESP_E_INTERRUPTED);
	assert_lasted(start, 100);
}

static void a_signal_ends_a_sleep(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();

	alarm_start(on_signal_interrupt, 100, 0);
	assert_int_equal(port_sleep(&f->port, 10000), ESP_E_INTERRUPTED);
	assert_lasted(start, 100);
}

static void after_a_signal_nothing_more_is_begun(void **state)
{
	struct fixture *f = *state;
	uint8_t b;

	assert_int_equal(write(f->pty.master, "x", 1), 1);
	port_interrupted = 1;
	assert_int_equal(port_read(&f->port, &b, 1, 1000), ESP_E_INTERRUPTED);
	assert_int_equal(port_write(&f->port, "y", 1, 1000), ESP_E_INTERRUPTED);
	assert_int_equal(port_sleep(&f->port, 1000), ESP_E_INTERRUPTED);
	assert_int_equal(port_drain(&f->port, 1000), ESP_E_INTERRUPTED);
	port_interrupted = 0;
	assert_int_equal(port_read(&f->port, &b, 1, 1000), 1);
	assert_int_equal(read(f->pty.master, &b, 1), -1);	/* y was never sent */
}

static void its_clock_runs_with_its_sleep(void **state)
{
	struct fixture *f = *state;
	uint64_t start = port_now_us(&f->port);

	assert_int_equal(port_sleep(&f->port, 50), 0);
	assert_in_range(port_now_us(&f->port) - start, 50000, 1050000);
}

static void it_can_be_closed_and_opened_again(void **state)
{
	struct fixture *f = *state;
	uint8_t b;

	port_close(&f->port);
	port_close(&f->port);
	assert_int_equal(port_read(&f->port, &b, 1, 0), ESP_E_CLOSED);
	assert_int_equal(port_open(&f->port, f->pty.path, 9600), 0);
	assert_int_equal(port_write(&f->port, "z", 1, 1000), 0);
	assert_int_equal(read(f->pty.master, &b, 1), 1);
	assert_int_equal(b, 'z');
}

static void a_link_to_it_works_under_its_own_name(void **state)
{
	struct fixture *f = *state;
	char dir[] = "/tmp/test_port_tty.XXXXXX", link[64];
	struct port p;

	port_close(&f->port);
	assert_non_null(mkdtemp(dir));
	snprintf(link, sizeof link, "%s/tty", dir);
	assert_int_equal(symlink(f->pty.path, link), 0);
	port_init(&p);
	assert_int_equal(port_open(&p, link, 115200), 0);
	assert_string_equal(p.name, link);
	port_close(&p);
	unlink(link);
	rmdir(dir);
}

static void assert_open_fails(const char *path, int code, const char *text)
{
	struct port p;

	port_init(&p);
	assert_int_equal(port_open(&p, path, 115200), code);
	assert_non_null(strstr(p.err.text, path));
	assert_non_null(strstr(p.err.text, text));
	assert_false(port_is_open(&p));
	port_close(&p);
}

static void what_is_no_terminal_is_not_opened(void **state)
{
	char file[] = "/tmp/test_port_tty.XXXXXX";
	int fd = mkstemp(file);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_open_fails(file, ESP_E_ARGUMENT, "not a serial port");
	unlink(file);
	assert_open_fails("/tmp", ESP_E_ARGUMENT, "not a serial port");
	assert_open_fails("/dev/null", ESP_E_ARGUMENT, "not a serial port");
}

static void a_path_that_does_not_exist_is_missing(void **state)
{
	(void)state;
	assert_open_fails("/dev/ttyUSB-not-there", ESP_E_MISSING, "no such port");
	assert_open_fails("/dev/null/x", ESP_E_MISSING, "no such port");
	assert_open_fails("", ESP_E_MISSING, "no such port");
}

static void nobody_holds_a_device_that_nobody_opened(void **state)
{
	struct port_holder h;
	struct pty t;

	(void)state;
	pty_open(&t);
	assert_false(port_holder_find(&h, t.path));
	assert_false(port_holder_find(&h, "/tmp"));
	assert_false(port_holder_find(&h, "/not/there"));
	pty_close(&t);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bytes_of_every_value_travel_both_ways),
		T(a_read_returns_when_its_time_is_up),
		T(a_read_does_not_wait_for_more_than_the_first_byte),
		T(a_closed_other_side_is_gone),
		T(closing_the_other_side_ends_a_waiting_read),
		T(a_second_open_in_this_program_is_busy),
		T(a_program_that_was_refused_leaves_the_hold_as_it_was),
		T(a_second_open_names_the_process_that_holds_the_port),
		T(no_permission_names_the_owning_group),
		T(other_users_programs_cannot_open_it_meanwhile),
		T(of_programs_that_open_at_once_exactly_one_wins),
		T(any_rate_is_set_and_can_be_read_back),
		T(a_rate_out_of_range_is_an_argument_error),
		T(closing_puts_the_settings_back_but_for_the_hang_up),
		T(modem_lines_and_break_are_absent_and_do_no_harm),
		T(a_flush_drops_what_was_received),
		T(a_peer_that_does_not_read_is_a_timeout),
		T(a_write_larger_than_all_buffers_arrives_whole),
		T(a_storm_of_signals_loses_and_delays_nothing),
		T(a_signal_ends_a_read),
		T(a_signal_ends_a_write),
		T(a_signal_ends_a_sleep),
		T(after_a_signal_nothing_more_is_begun),
		T(its_clock_runs_with_its_sleep),
		T(it_can_be_closed_and_opened_again),
		T(a_link_to_it_works_under_its_own_name),
		cmocka_unit_test(what_is_no_terminal_is_not_opened),
		cmocka_unit_test(a_path_that_does_not_exist_is_missing),
		cmocka_unit_test(nobody_holds_a_device_that_nobody_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
