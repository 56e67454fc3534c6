/* Servers that are slow, silent, chatty or mad: the client ends in time. */
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

static void a_peer_that_does_not_read_is_a_timeout(void **state)
{
	struct fixture *f = *state;
	static uint8_t big[16 << 20];
	uint64_t start;

	assert_int_equal(connect_to(f, PEER_DEAF, ""), 0);
	assert_int_equal(port_set_baud(&f->port, 921600), 0);
	start = ms_now();
	assert_int_equal(port_write(&f->port, big, sizeof big, 400), ESP_E_TIMEOUT);
	assert_lasted(start, 400);
	start = ms_now();
	port_close(&f->port);
	assert_in_range(ms_now() - start, 0, 1500);
}

static void a_peer_that_floods_costs_bounded_memory_and_still_answers_reads(void **state)
{
	struct fixture *f = *state;
	uint8_t b[64];

	assert_int_equal(connect_to(f, PEER_FLOOD, "?timeout=0.5"), 0);
	assert_int_equal(port_sleep(&f->port, 300), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(port_read(&f->port, b, sizeof b, 1000), sizeof b);
	assert_int_equal(port_set_lines(&f->port, 1, 1), ESP_E_TIMEOUT);
}

static void a_silent_peer_is_a_timeout_within_the_limit(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();

	assert_int_equal(connect_to(f, PEER_SILENT, "?timeout=0.4"), ESP_E_TIMEOUT);
	assert_lasted(start, 400);
	assert_false(port_is_open(&f->port));
}

static void a_peer_that_drips_is_a_timeout_within_the_limit(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();

	assert_int_equal(connect_to(f, PEER_DRIPS, "?timeout=0.4"), ESP_E_TIMEOUT);
	assert_in_range(ms_now() - start, 390, 2000);
}

static void a_peer_that_answers_no_question_is_a_timeout(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();

	assert_int_equal(connect_to(f, PEER_MUTE, "?timeout=0.4"), ESP_E_TIMEOUT);
	assert_lasted(start, 400);
}

static void a_telnet_server_without_serial_control_breaks_the_protocol(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();

	assert_int_equal(connect_to(f, PEER_REFUSES, "?timeout=0.4"), ESP_E_PROTO);
	assert_non_null(strstr(f->port.err.text, "RFC 2217"));
	assert_lasted(start, 400);
}

static void a_server_that_first_offers_and_then_agrees_is_waited_for(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();

	assert_int_equal(connect_to(f, PEER_OFFERS, ""), 0);
	assert_lasted(start, 200);
}

static void a_board_that_talks_during_the_negotiation_loses_nothing(void **state)
{
	static const char said[] = "ets Jan  8 2013,rst cause:2\r\n";
	struct fixture *f = *state;
	uint8_t b[64];

	assert_int_equal(connect_to(f, PEER_CHATTY, ""), 0);
	assert_int_equal(f->peer.notes->baud, 115200);
	assert_int_equal(read_all(&f->port, b, sizeof said - 1), sizeof said - 1);
	assert_memory_equal(b, said, sizeof said - 1);
}

static void the_time_limit_is_for_all_of_the_opening(void **state)
{
	struct fixture *f = *state;
	uint64_t start = ms_now();

	assert_int_equal(connect_to(f, PEER_SLOW, "?timeout=0.7"), ESP_E_TIMEOUT);
	assert_lasted(start, 700);
}

static void a_server_that_hangs_up_at_once_is_gone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(connect_to(f, PEER_CLOSES_AT_ONCE, ""), ESP_E_GONE);
}

/* Takes as long as the library waits for sense, 4 s; so does the chatty board.
 * Both run at once, this one in a process of its own. */
static int meet_a_mad_server(void)
{
	struct fixture f = { .url = "" };
	uint64_t start = ms_now();
	int rc;

	port_init(&f.port);
	rc = connect_to(&f, PEER_MAD, "?timeout=0.5");
	port_close(&f.port);
	peer_stop(&f.peer);
	if (ms_now() - start > 8000)
		return 1;
	/* Whether its junk left room for an agreement is not the point. */
	return rc == 0 || rc == ESP_E_TIMEOUT || rc == ESP_E_GONE || rc == ESP_E_PROTO ||
	       rc == ESP_E_UNSUPPORTED ? 0 : 2;
}

static pid_t mad;

static int begin(void **state)
{
	(void)state;
	mad = fork();
	if (mad == 0)
		_exit(meet_a_mad_server());
	return 0;
}

static void a_mad_server_does_no_harm(void **state)
{
	(void)state;
	assert_int_equal(child_code(mad), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_peer_that_does_not_read_is_a_timeout),
		T(a_peer_that_floods_costs_bounded_memory_and_still_answers_reads),
		T(a_silent_peer_is_a_timeout_within_the_limit),
		T(a_peer_that_drips_is_a_timeout_within_the_limit),
		T(a_peer_that_answers_no_question_is_a_timeout),
		T(a_telnet_server_without_serial_control_breaks_the_protocol),
		T(a_server_that_first_offers_and_then_agrees_is_waited_for),
		T(a_board_that_talks_during_the_negotiation_loses_nothing),
		T(the_time_limit_is_for_all_of_the_opening),
		T(a_server_that_hangs_up_at_once_is_gone),
		cmocka_unit_test(a_mad_server_does_no_harm),
	};
	struct esp_error err;
	struct gio g;

	if (gio_load(&g, &err) < 0) {
		print_message("1..0 # SKIP %s\n", err.text);
		return 0;
	}
	return cmocka_run_group_tests(tests, begin, NULL);
}
