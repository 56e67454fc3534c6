#include "rfc2217_peer.h"
#include "port/gio.h"

/* The library forgets 24 bytes for a question that was never answered. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:sergensio_dtr\nleak:sergensio_rts\nleak:sergensio_baud\n"
	       "leak:sergensio_datasize\nleak:sergensio_parity\nleak:sergensio_stopbits\n"
	       "leak:sergensio_flowcontrol\n";
}

struct fixture {
	struct peer peer;
	struct port port;
	char url[96];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	port_interrupted = 0;
	port_init(&f->port);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	alarm_stop();
	port_close(&f->port);
	peer_stop(&f->peer);
	free(f);
	return 0;
}

static int connect_to(struct fixture *f, enum peer_mood mood, const char *options)
{
	peer_start(&f->peer, mood);
	snprintf(f->url, sizeof f->url, "rfc2217://127.0.0.1:%d%s", f->peer.port, options);
	return port_open(&f->port, f->url, 115200);
}

static void opening_sets_the_line_and_touches_no_modem_line(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
	assert_string_equal(f->port.ops->kind, "rfc2217");
	assert_true(port_has(&f->port, PORT_HAS_LINES));
	assert_true(port_has(&f->port, PORT_HAS_BAUD));
	assert_int_equal(f->peer.notes->baud, 115200);
	assert_int_equal(f->peer.notes->datasize, 8);
	assert_int_equal(f->peer.notes->parity, 1);
	assert_int_equal(f->peer.notes->stopsize, 1);
	assert_int_equal(f->peer.notes->flow, 1);
	assert_int_equal(f->peer.notes->controls, 0);
}

static void opening_takes_no_longer_than_the_network(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();

	assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
	assert_lasted(start, 0);
}

static size_t read_all(struct port *p, uint8_t *buf, size_t len)
{
	size_t n = 0;

	while (n < len) {
		int rc = port_read(p, buf + n, len - n, 2000);

		if (rc <= 0)
			break;
		n += (size_t)rc;
	}
	return n;
}

static void bytes_of_every_value_are_transparent(void **state)
{
	struct fixture *f = *state;
	static uint8_t out[8192], in[8192];

	assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
	for (size_t i = 0; i < sizeof out; i++)
		out[i] = (uint8_t)(i * 3 + (i >> 8));
	memset(out + 1000, 255, 700);	/* telnet's escape, in a row */
	memcpy(out + 3000, "\r\n\r\0\n\0\r", 7);
	assert_int_equal(port_write(&f->port, out, sizeof out, 2000), 0);
	assert_int_equal(read_all(&f->port, in, sizeof in), sizeof in);
	assert_memory_equal(in, out, sizeof in);
}

static void a_large_transfer_arrives_whole(void **state)
{
	struct fixture *f = *state;
	static uint8_t out[150000], in[150000];

	assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
	for (size_t i = 0; i < sizeof out; i++)
		out[i] = (uint8_t)(i * 31 + (i >> 7));
	assert_int_equal(port_write(&f->port, out, sizeof out, 5000), 0);
	assert_int_equal(read_all(&f->port, in, sizeof in), sizeof in);
	assert_memory_equal(in, out, sizeof in);
}

static void a_read_returns_when_its_time_is_up(void **state)
{
	struct fixture *f = *state;
	uint64_t start;
	uint8_t b;

	assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
	start = ms_now();
	assert_int_equal(port_read(&f->port, &b, 1, 0), 0);
	assert_lasted(start, 0);
	start = ms_now();
	assert_int_equal(port_read(&f->port, &b, 1, 300), 0);
	assert_lasted(start, 300);
}

static void rates_reach_the_server(void **state)
{
	static const uint32_t rates[] = { 74880, 921600, 65280 /* 0x00ff00: escaped */, 2000000 };
	struct fixture *f = *state;

	assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		assert_int_equal(port_set_baud(&f->port, rates[i]), 0);
		assert_int_equal(f->peer.notes->baud, rates[i]);
		assert_int_equal(f->port.baud, rates[i]);
	}
}

static void a_rate_that_the_server_replaced_is_an_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(connect_to(f, PEER_OTHER_RATE, ""), ESP_E_UNSUPPORTED);
	assert_non_null(strstr(f->port.err.text, "115200"));
	assert_non_null(strstr(f->port.err.text, "9600"));
	assert_false(port_is_open(&f->port));
}

/* RFC 2217: DTR on 8, off 9; RTS on 11, off 12; break on 5, off 6. */
static void lines_and_break_reach_the_server_in_order(void **state)
{
	static const uint8_t want[] = { 9, 11, 8, 12, 9, 11, 5, 6 };
	struct fixture *f = *state;

	assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
	assert_int_equal(port_set_lines(&f->port, 0, 1), 0);
	assert_int_equal(port_sleep(&f->port, 100), 0);
	assert_int_equal(port_set_lines(&f->port, 1, 0), 0);
	assert_int_equal(port_set_lines(&f->port, 0, PORT_LINE_KEEP), 0);
	assert_int_equal(port_set_lines(&f->port, PORT_LINE_KEEP, 1), 0);
	assert_int_equal(port_set_break(&f->port, true), 0);
	assert_int_equal(port_set_break(&f->port, false), 0);
	assert_int_equal(f->peer.notes->controls, sizeof want);
	for (size_t i = 0; i < sizeof want; i++)
		assert_int_equal(f->peer.notes->control[i], want[i]);
	assert_in_range(f->peer.notes->at_ms[1] - f->peer.notes->at_ms[0], 0, 40);
	assert_in_range(f->peer.notes->at_ms[2] - f->peer.notes->at_ms[1], 99, 400);
}

static void a_flush_drops_what_is_under_way_here_and_there(void **state)
{
	struct fixture *f = *state;
	uint8_t b[16];

	assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
	assert_int_equal(port_write(&f->port, "stale", 5, 1000), 0);
	assert_int_equal(port_flush(&f->port), 0);
	assert_int_equal(f->peer.notes->purges, 1);
	assert_int_equal(port_read(&f->port, b, sizeof b, 100), 0);
	assert_int_equal(port_write(&f->port, "new", 3, 1000), 0);
	assert_int_equal(read_all(&f->port, b, 3), 3);
	assert_memory_equal(b, "new", 3);
}

static void a_drain_waits_for_the_far_wire(void **state)
{
	struct fixture *f = *state;
	uint8_t out[960] = { 0 };
	uint64_t start;

	assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
	assert_int_equal(port_set_baud(&f->port, 19200), 0);
	start = ms_now();
	assert_int_equal(port_write(&f->port, out, sizeof out, 1000), 0);
	assert_int_equal(port_drain(&f->port, 2000), 0);
	assert_lasted(start, 500);	/* 960 bytes, ten bits each */
	assert_int_equal(f->peer.notes->data, sizeof out);
}

static void the_server_that_leaves_is_gone(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();
	uint8_t b;

	assert_int_equal(connect_to(f, PEER_CLOSES, ""), 0);
	assert_int_equal(port_write(&f->port, "x", 1, 1000), 0);
	assert_int_equal(port_read(&f->port, &b, 1, 10000), ESP_E_GONE);
	assert_non_null(strstr(f->port.err.text, f->url));
	assert_int_equal(port_write(&f->port, "x", 1, 10000), ESP_E_GONE);
	assert_int_equal(port_set_lines(&f->port, 1, 1), ESP_E_GONE);
	assert_int_equal(port_set_baud(&f->port, 9600), ESP_E_GONE);
	assert_int_equal(port_flush(&f->port), ESP_E_GONE);
	assert_true(port_drain(&f->port, 1000) == ESP_E_GONE);
	assert_int_equal(port_sleep(&f->port, 20), 0);
	port_close(&f->port);
	assert_lasted(start, 0);
}

static void a_write_into_a_closed_connection_kills_nobody(void **state)
{
	struct fixture *f = *state;
	int rc = 0;

	assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
	kill(f->peer.pid, SIGKILL);
	nap_ms(100);
	for (int i = 0; i < 10 && rc == 0; i++)	/* the first may still fit a buffer */
		rc = port_write(&f->port, "x", 1, 1000);
	assert_int_equal(rc, ESP_E_GONE);
}

static void a_port_where_nobody_listens_is_missing(void **state)
{
	struct fixture *f = *state;

	peer_start(&f->peer, PEER_GOOD);
	snprintf(f->url, sizeof f->url, "rfc2217://127.0.0.1:%d", f->peer.port);
	kill(f->peer.pid, SIGKILL);
	nap_ms(50);
	assert_int_equal(port_open(&f->port, f->url, 115200), ESP_E_MISSING);
	assert_non_null(strstr(f->port.err.text, "refused"));
}

static void an_unknown_host_is_missing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(port_open(&f->port, "rfc2217://no-such-host.invalid:4000", 115200),
			 ESP_E_MISSING);
	assert_non_null(strstr(f->port.err.text, "no-such-host.invalid"));
}

static void a_signal_ends_a_read(void **state)
{
	struct fixture *f = *state;
	uint64_t start;
	uint8_t b;

	assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
	start = ms_now();
	alarm_start(on_signal_interrupt, 100, 0);
	assert_int_equal(port_read(&f->port, &b, 1, 10000), ESP_E_INTERRUPTED);
	assert_lasted(start, 100);
	assert_int_equal(port_write(&f->port, "x", 1, 1000), ESP_E_INTERRUPTED);
	assert_int_equal(port_sleep(&f->port, 1000), ESP_E_INTERRUPTED);
	assert_int_equal(port_set_lines(&f->port, 1, 1), ESP_E_INTERRUPTED);
}

static void a_signal_ends_an_attempt_to_connect(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();

	alarm_start(on_signal_interrupt, 100, 0);
	assert_int_equal(connect_to(f, PEER_SILENT, ""), ESP_E_INTERRUPTED);
	assert_lasted(start, 100);
}

static void a_storm_of_signals_loses_and_delays_nothing(void **state)
{
	struct fixture *f = *state;
	static uint8_t out[50000], in[50000];
	uint64_t start;

	assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
	alarm_start(on_signal_ignore, 1, 1);
	for (size_t i = 0; i < sizeof out; i++)
		out[i] = (uint8_t)(i * 7);
	assert_int_equal(port_write(&f->port, out, sizeof out, 5000), 0);
	assert_int_equal(read_all(&f->port, in, sizeof in), sizeof in);
	assert_memory_equal(in, out, sizeof in);
	start = ms_now();
	assert_int_equal(port_sleep(&f->port, 200), 0);
	assert_lasted(start, 200);
}

static void a_bad_address_or_option_is_an_argument_error(void **state)
{
	static const char *const bad[] = {
		"rfc2217://", "rfc2217://host", "rfc2217://:4000", "rfc2217://host:",
		"rfc2217://host:0", "rfc2217://host:65536", "rfc2217://host:40x",
		"rfc2217://ho,st:4000", "rfc2217://a(b):4000", "rfc2217://h:4000?speed=9",
		"rfc2217://h:4000?timeout=", "rfc2217://h:4000?timeout=0",
		"rfc2217://h:4000?timeout=61", "rfc2217://h:4000?timeout=nan",
		"rfc2217://h:4000?timeout=1&x",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(port_open(&f->port, bad[i], 115200), ESP_E_ARGUMENT);
		assert_non_null(strstr(f->port.err.text, bad[i]));
		assert_false(port_is_open(&f->port));
	}
}

static void it_can_be_closed_and_opened_many_times(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20; i++) {
		assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
		port_close(&f->port);
		port_close(&f->port);
		peer_stop(&f->peer);
	}
}

/* Ports of one program share nothing: both work, in any order. */
static void two_at_once_do_not_mix(void **state)
{
	struct fixture *f = *state;
	struct fixture g = { .url = "" };
	uint8_t b[4];

	assert_int_equal(connect_to(f, PEER_GOOD, ""), 0);
	port_init(&g.port);
	assert_int_equal(connect_to(&g, PEER_GOOD, ""), 0);
	assert_int_equal(port_write(&f->port, "ffff", 4, 1000), 0);
	assert_int_equal(port_write(&g.port, "gggg", 4, 1000), 0);
	assert_int_equal(read_all(&g.port, b, 4), 4);
	assert_memory_equal(b, "gggg", 4);
	assert_int_equal(read_all(&f->port, b, 4), 4);
	assert_memory_equal(b, "ffff", 4);
	port_close(&g.port);
	peer_stop(&g.peer);
	assert_int_equal(port_set_lines(&f->port, 0, 0), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(opening_sets_the_line_and_touches_no_modem_line),
		T(opening_takes_no_longer_than_the_network),
		T(bytes_of_every_value_are_transparent),
		T(a_large_transfer_arrives_whole),
		T(a_read_returns_when_its_time_is_up),
		T(rates_reach_the_server),
		T(a_rate_that_the_server_replaced_is_an_error),
		T(lines_and_break_reach_the_server_in_order),
		T(a_flush_drops_what_is_under_way_here_and_there),
		T(a_drain_waits_for_the_far_wire),
		T(the_server_that_leaves_is_gone),
		T(a_write_into_a_closed_connection_kills_nobody),
		T(a_port_where_nobody_listens_is_missing),
		T(an_unknown_host_is_missing),
		T(a_signal_ends_a_read),
		T(a_signal_ends_an_attempt_to_connect),
		T(a_storm_of_signals_loses_and_delays_nothing),
		T(a_bad_address_or_option_is_an_argument_error),
		T(it_can_be_closed_and_opened_many_times),
		T(two_at_once_do_not_mix),
	};
	struct esp_error err;
	struct gio g;

	if (gio_load(&g, &err) < 0) {
		print_message("1..0 # SKIP %s\n", err.text);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
