/* The serial port and the list of ports, with a libserialport of the test's own
 * whose devices are pseudo-terminals, and with modem lines and a moody adapter
 * put under them by an ioctl() of the test's own. */
#include "port_pty.h"

#include <asm/termbits.h>
#include <libserialport.h>
#include <linux/serial.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

enum call { CALL_LINES, CALL_BREAK, CALL_SETTINGS, CALLS };

/* The device under the port. */
static struct {
	char known[64];		/* the path that is a serial device */
	int sp_opens, sp_closes, sp_frees;
	int error;		/* errno of the next sp_open() */
	int lines;		/* as TIOCMGET answers */
	int count[CALLS];	/* calls that changed something */
	int breaking;
	int latency_refused, flags;
	uint32_t other_rate;	/* what the adapter sets instead, 0 = what it is told */
	int refuses_rate;	/* EINVAL */
	int dead;		/* errno of every ioctl: unplugged */
} dev;

static int fake_ioctl(int fd, unsigned long what, void *arg)
{
	struct serial_struct *s = arg;
	int rc;

	switch (what) {
	case TIOCMGET:
		*(int *)arg = dev.lines | TIOCM_CTS;
		return 0;
	case TIOCMSET:
		dev.count[CALL_LINES]++;
		dev.lines = *(int *)arg & (TIOCM_DTR | TIOCM_RTS);
		return 0;
	case TIOCSBRK:
	case TIOCCBRK:
		dev.count[CALL_BREAK]++;
		dev.breaking = what == TIOCSBRK;
		return 0;
	case TIOCGSERIAL:
		memset(s, 0, sizeof *s);
		s->flags = dev.flags;
		return 0;
	case TIOCSSERIAL:
		if (dev.latency_refused) {
			errno = EPERM;
			return -1;
		}
		dev.flags = s->flags;
		return 0;
	case TCSETS2:
		dev.count[CALL_SETTINGS]++;
		if (dev.refuses_rate && ((struct termios2 *)arg)->c_ospeed == 3000000) {
			errno = EINVAL;
			return -1;
		}
		break;
	}
	rc = (int)syscall(SYS_ioctl, fd, what, arg);
	if (what == TCGETS2 && dev.other_rate && ((struct termios2 *)arg)->c_ospeed == 3000000)
		((struct termios2 *)arg)->c_ospeed = dev.other_rate;
	return rc;
}

int ioctl(int fd, unsigned long what, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, what);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (dev.dead) {
		errno = dev.dead;
		return -1;
	}
	return fake_ioctl(fd, what, arg);
}

struct sp_port {
	char name[64];
	int fd;
	enum sp_transport transport;
	int vid, pid;
	char *description, *manufacturer, *product, *serial;
};

enum sp_return sp_get_port_by_name(const char *name, struct sp_port **out)
{
	if (strcmp(name, dev.known) != 0)
		return SP_ERR_ARG;
	*out = calloc(1, sizeof **out);
	snprintf((*out)->name, sizeof (*out)->name, "%s", name);
	(*out)->fd = -1;
	return SP_OK;
}

enum sp_return sp_open(struct sp_port *port, enum sp_mode mode)
{
	(void)mode;
	dev.sp_opens++;
	errno = dev.error;
	if (dev.error)
		return SP_ERR_FAIL;
	port->fd = open(port->name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (port->fd < 0)
		return SP_ERR_FAIL;
	if (flock(port->fd, LOCK_EX | LOCK_NB) < 0) {
		close(port->fd);
		errno = EWOULDBLOCK;
		return SP_ERR_FAIL;
	}
	return SP_OK;
}

int sp_last_error_code(void)
{
	return errno;
}

enum sp_return sp_get_port_handle(const struct sp_port *port, void *out)
{
	*(int *)out = port->fd;
	return SP_OK;
}

enum sp_return sp_close(struct sp_port *port)
{
	dev.sp_closes++;
	close(port->fd);
	return SP_OK;
}

void sp_free_port(struct sp_port *port)
{
	dev.sp_frees++;
	free(port);
}

static struct sp_port listed[] = {
	{ "/dev/ttyUSB7", -1, SP_TRANSPORT_USB, 0x10c4, 0xea60, (char *)"CP2102 - UART Bridge",
	  (char *)"Silicon Labs", (char *)"CP2102", (char *)"0001" },
	{ "/dev/ttyNative", -1, SP_TRANSPORT_NATIVE, -1, -1, (char *)"ttyNative", NULL, NULL, NULL },
	{ "/dev/rfcomm0", -1, SP_TRANSPORT_BLUETOOTH, -1, -1, NULL, NULL, NULL, NULL },
};
static int list_error;

enum sp_return sp_list_ports(struct sp_port ***out)
{
	static struct sp_port *list[] = { &listed[0], &listed[1], &listed[2], NULL };

	*out = list;
	return list_error;
}

void sp_free_port_list(struct sp_port **list)
{
	assert_ptr_equal(list[0], &listed[0]);
}

char *sp_get_port_name(const struct sp_port *p) { return (char *)p->name; }
char *sp_get_port_description(const struct sp_port *p) { return p->description; }
char *sp_get_port_usb_manufacturer(const struct sp_port *p) { return p->manufacturer; }
char *sp_get_port_usb_product(const struct sp_port *p) { return p->product; }
char *sp_get_port_usb_serial(const struct sp_port *p) { return p->serial; }
enum sp_transport sp_get_port_transport(const struct sp_port *p) { return p->transport; }

enum sp_return sp_get_port_usb_vid_pid(const struct sp_port *p, int *vid, int *pid)
{
	*vid = p->vid;
	*pid = p->pid;
	return SP_OK;
}

struct fixture {
	struct pty pty;
	struct port port;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	memset(&dev, 0, sizeof dev);
	dev.lines = TIOCM_DTR | TIOCM_RTS;	/* as Linux leaves them at open */
	pty_open(&f->pty);
	snprintf(dev.known, sizeof dev.known, "%s", f->pty.path);
	port_init(&f->port);
	assert_int_equal(port_open(&f->port, f->pty.path, 115200), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	dev.dead = 0;
	port_close(&f->port);
	pty_close(&f->pty);
	assert_int_equal(dev.sp_closes, dev.sp_opens - (dev.error != 0));
	free(f);
	return 0;
}

static void a_serial_device_has_lines_and_a_rate(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(f->port.ops->kind, "serial");
	assert_true(port_has(&f->port, PORT_HAS_LINES));
	assert_true(port_has(&f->port, PORT_HAS_BAUD));
	assert_false(port_has(&f->port, PORT_IS_VIRTUAL));
}

static void opening_leaves_the_lines_alone(void **state)
{
	(void)state;
	assert_int_equal(dev.count[CALL_LINES], 0);
	assert_int_equal(dev.lines, TIOCM_DTR | TIOCM_RTS);
}

static void closing_leaves_the_lines_alone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(port_set_lines(&f->port, 0, 0), 0);
	port_close(&f->port);
	assert_int_equal(dev.count[CALL_LINES], 1);
	assert_int_equal(dev.sp_closes, 1);
	assert_int_equal(dev.sp_frees, 1);
}

static void both_lines_change_in_one_call(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(port_set_lines(&f->port, 0, 1), 0);
	assert_int_equal(dev.lines, TIOCM_RTS);
	assert_int_equal(port_set_lines(&f->port, 1, 0), 0);
	assert_int_equal(dev.lines, TIOCM_DTR);
	assert_int_equal(dev.count[CALL_LINES], 2);
}

static void a_line_that_is_to_be_kept_is_kept(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(port_set_lines(&f->port, 0, PORT_LINE_KEEP), 0);
	assert_int_equal(dev.lines, TIOCM_RTS);
	assert_int_equal(port_set_lines(&f->port, PORT_LINE_KEEP, 0), 0);
	assert_int_equal(dev.lines, 0);
	assert_int_equal(port_set_lines(&f->port, 1, PORT_LINE_KEEP), 0);
	assert_int_equal(dev.lines, TIOCM_DTR);
}

static void a_break_goes_on_and_off(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(port_set_break(&f->port, true), 0);
	assert_int_equal(dev.breaking, 1);
	assert_int_equal(port_set_break(&f->port, false), 0);
	assert_int_equal(dev.breaking, 0);
}

static void the_adapter_is_asked_for_low_latency(void **state)
{
	struct fixture *f = *state;

	assert_true(dev.flags & ASYNC_LOW_LATENCY);
	port_close(&f->port);
	dev.flags = 0;
	dev.latency_refused = 1;
	assert_int_equal(port_open(&f->port, f->pty.path, 115200), 0);
	assert_int_equal(dev.flags, 0);
}

static void a_refused_rate_is_an_error_and_changes_nothing(void **state)
{
	struct fixture *f = *state;

	dev.refuses_rate = 1;
	assert_int_equal(port_set_baud(&f->port, 3000000), ESP_E_UNSUPPORTED);
	assert_non_null(strstr(f->port.err.text, "3000000"));
	assert_int_equal(f->port.baud, 115200);
	dev.refuses_rate = 0;
	assert_int_equal(port_set_baud(&f->port, 3000000), 0);
}

static void a_rate_that_the_adapter_replaced_is_an_error_and_undone(void **state)
{
	struct fixture *f = *state;
	struct termios2 t;

	dev.other_rate = 2000000;
	assert_int_equal(port_set_baud(&f->port, 3000000), ESP_E_UNSUPPORTED);
	assert_non_null(strstr(f->port.err.text, "3000000"));
	assert_non_null(strstr(f->port.err.text, "2000000"));
	assert_int_equal(f->port.baud, 115200);
	dev.other_rate = 0;
	assert_int_equal(ioctl(f->pty.master, TCGETS2, &t), 0);
	assert_int_equal(t.c_ospeed, 115200);
}

static void a_rate_within_three_percent_is_good_enough(void **state)
{
	struct fixture *f = *state;

	dev.other_rate = 3090000;
	assert_int_equal(port_set_baud(&f->port, 3000000), 0);
	dev.other_rate = 3090001;
	assert_int_equal(port_set_baud(&f->port, 3000000), ESP_E_UNSUPPORTED);
	dev.other_rate = 2910000;
	assert_int_equal(port_set_baud(&f->port, 3000000), 0);
	dev.other_rate = 2909999;
	assert_int_equal(port_set_baud(&f->port, 3000000), ESP_E_UNSUPPORTED);
}

static void opening_at_a_refused_rate_fails_and_closes(void **state)
{
	struct fixture *f = *state;

	port_close(&f->port);
	dev.other_rate = 9600;
	assert_int_equal(port_open(&f->port, f->pty.path, 3000000), ESP_E_UNSUPPORTED);
	assert_non_null(strstr(f->port.err.text, "9600"));
	assert_false(port_is_open(&f->port));
	assert_int_equal(dev.sp_closes, 2);
	assert_int_equal(dev.sp_frees, 2);
}

static void every_way_to_be_unplugged_is_gone(void **state)
{
	static const int ways[] = { EIO, ENODEV, ENXIO, EPIPE, ESHUTDOWN, EPROTO };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		dev.dead = ways[i];
		assert_int_equal(port_set_lines(&f->port, 1, 1), ESP_E_GONE);
		assert_int_equal(port_set_break(&f->port, true), ESP_E_GONE);
		assert_int_equal(port_set_baud(&f->port, 9600), ESP_E_GONE);
		assert_int_equal(port_flush(&f->port), ESP_E_GONE);
		assert_int_equal(port_drain(&f->port, 100), ESP_E_GONE);
		assert_int_equal(f->port.baud, 115200);
	}
	dev.dead = EFAULT;
	assert_int_equal(port_set_lines(&f->port, 1, 1), ESP_E_IO);
}

static void what_opening_says_becomes_the_kind_of_error(void **state)
{
	static const struct {
		int error, code;
	} said[] = {
		{ ENOENT, ESP_E_MISSING }, { ENXIO, ESP_E_MISSING }, { ENODEV, ESP_E_MISSING },
		{ EACCES, ESP_E_ACCESS }, { EPERM, ESP_E_ACCESS }, { EBUSY, ESP_E_BUSY },
		{ EAGAIN, ESP_E_BUSY }, { EIO, ESP_E_GONE }, { EMFILE, ESP_E_NOMEM },
		{ EFAULT, ESP_E_IO },
	};
	struct fixture *f = *state;
	struct port p;

	port_close(&f->port);
	for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
		dev.error = said[i].error;
		port_init(&p);
		assert_int_equal(port_open(&p, f->pty.path, 115200), said[i].code);
		assert_non_null(strstr(p.err.text, f->pty.path));
		assert_false(port_is_open(&p));
	}
	assert_int_equal(dev.sp_frees, 1 + sizeof said / sizeof said[0]);
	dev.error = 0;
	dev.sp_opens = dev.sp_closes;
}

static void a_second_open_is_busy(void **state)
{
	struct fixture *f = *state;
	struct port p;

	port_init(&p);
	assert_int_equal(port_open(&p, f->pty.path, 115200), ESP_E_BUSY);
	dev.sp_opens--;
}

static void bytes_go_through_and_an_unplug_ends_them(void **state)
{
	struct fixture *f = *state;
	uint8_t b[8];

	assert_int_equal(port_write(&f->port, "ping", 4, 1000), 0);
	assert_int_equal(read(f->pty.master, b, sizeof b), 4);
	assert_int_equal(write(f->pty.master, "pong", 4), 4);
	assert_int_equal(port_read(&f->port, b, sizeof b, 1000), 4);
	assert_memory_equal(b, "pong", 4);
	pty_close(&f->pty);
	assert_int_equal(port_read(&f->port, b, sizeof b, 5000), ESP_E_GONE);
	assert_int_equal(port_write(&f->port, "x", 1, 5000), ESP_E_GONE);
}

static void a_terminal_that_is_no_serial_device_is_opened_all_the_same(void **state)
{
	struct fixture *f = *state;

	port_close(&f->port);
	snprintf(dev.known, sizeof dev.known, "/dev/another");
	assert_int_equal(port_open(&f->port, f->pty.path, 115200), 0);
	assert_string_equal(f->port.ops->kind, "tty");
}

static void the_list_says_what_the_system_knows(void **state)
{
	struct port_info got[8];
	struct esp_error err;

	(void)state;
	list_error = SP_OK;
	assert_int_equal(port_list(got, 8, &err), 3);
	assert_string_equal(got[0].name, "/dev/ttyUSB7");
	assert_string_equal(got[0].transport, "usb");
	assert_string_equal(got[0].description, "CP2102 - UART Bridge");
	assert_string_equal(got[0].manufacturer, "Silicon Labs");
	assert_string_equal(got[0].product, "CP2102");
	assert_string_equal(got[0].serial, "0001");
	assert_int_equal(got[0].vid, 0x10c4);
	assert_int_equal(got[0].pid, 0xea60);
	assert_string_equal(got[1].transport, "native");
	assert_int_equal(got[1].vid, -1);
	assert_string_equal(got[1].serial, "");
	assert_string_equal(got[2].transport, "bluetooth");
	assert_string_equal(got[2].description, "");
}

static void a_short_list_still_counts_all(void **state)
{
	struct port_info got[2];
	struct esp_error err;

	(void)state;
	list_error = SP_OK;
	memset(&got[1], 0x55, sizeof got[1]);
	assert_int_equal(port_list(got, 1, &err), 3);
	assert_string_equal(got[0].name, "/dev/ttyUSB7");
	assert_int_equal(got[1].name[0], 0x55);
	assert_int_equal(port_list(NULL, 0, &err), 3);
}

/* The kernel makes ttyS nodes without a UART. Where it did, one is used. */
static void a_port_without_a_uart_is_not_listed(void **state)
{
	char path[64], type[8] = "";
	struct port_info got[3];
	struct esp_error err;
	int n = -1;

	(void)state;
	for (int i = 0; i < 32 && n < 0; i++) {
		FILE *f;

		snprintf(path, sizeof path, "/sys/class/tty/ttyS%d/type", i);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(type, sizeof type, f) && atoi(type) == 0)
			n = i;
		fclose(f);
	}
	if (n < 0) {
		print_message("this machine has no ttyS without a UART\n");
		skip();
	}
	snprintf(listed[1].name, sizeof listed[1].name, "/dev/ttyS%d", n);
	assert_int_equal(port_list(got, 3, &err), 2);
	assert_string_equal(got[1].name, "/dev/rfcomm0");
	snprintf(listed[1].name, sizeof listed[1].name, "/dev/ttyNative");
}

static void a_list_that_cannot_be_had_is_an_error(void **state)
{
	struct esp_error err;

	(void)state;
	list_error = SP_ERR_MEM;
	assert_int_equal(port_list(NULL, 0, &err), ESP_E_NOMEM);
	list_error = SP_ERR_FAIL;
	assert_int_equal(port_list(NULL, 0, &err), ESP_E_IO);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_serial_device_has_lines_and_a_rate),
		T(opening_leaves_the_lines_alone),
		T(closing_leaves_the_lines_alone),
		T(both_lines_change_in_one_call),
		T(a_line_that_is_to_be_kept_is_kept),
		T(a_break_goes_on_and_off),
		T(the_adapter_is_asked_for_low_latency),
		T(a_refused_rate_is_an_error_and_changes_nothing),
		T(a_rate_that_the_adapter_replaced_is_an_error_and_undone),
		T(a_rate_within_three_percent_is_good_enough),
		T(opening_at_a_refused_rate_fails_and_closes),
		T(every_way_to_be_unplugged_is_gone),
		T(what_opening_says_becomes_the_kind_of_error),
		T(a_second_open_is_busy),
		T(bytes_go_through_and_an_unplug_ends_them),
		T(a_terminal_that_is_no_serial_device_is_opened_all_the_same),
		cmocka_unit_test(the_list_says_what_the_system_knows),
		cmocka_unit_test(a_short_list_still_counts_all),
		cmocka_unit_test(a_port_without_a_uart_is_not_listed),
		cmocka_unit_test(a_list_that_cannot_be_had_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
