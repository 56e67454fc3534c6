#include "fake_port.h"

#include "../../src/loader/reset.h"

static const char *run(const char *name, enum reset_purpose purpose, unsigned flags)
{
	static char log[FAKE_LOG_MAX];
	const struct reset_sequence *s = reset_find(name, purpose);
	struct fake_port *f = fake_new();

	assert_non_null(s);
	assert_int_equal(reset_run(&f->port, s->steps, s->n, flags), 0);
	memcpy(log, f->log, sizeof log);
	fake_free(f);
	return log;
}

static void nodemcu_changes_both_lines_at_once(void **state)
{
	(void)state;
	assert_string_equal(run("nodemcu", RESET_TO_LOADER, 0),
			    "lines 0 0;lines 1 1;lines 0 1;sleep 20;lines 1 0;sleep 50;"
			    "lines 0 0;lines 0 -1;");
	assert_string_equal(run("nodemcu", RESET_TO_APP, 0),
			    "lines 0 0;lines 0 1;sleep 20;lines 0 0;");
}

static void a_slow_run_takes_the_long_wait_only_where_there_is_one(void **state)
{
	(void)state;
	assert_string_equal(run("classic", RESET_TO_LOADER, RESET_SLOW),
			    "lines 0 -1;lines -1 1;sleep 100;lines 1 -1;lines -1 0;sleep 550;"
			    "lines 0 -1;");
}

static void an_inverted_run_flips_every_level_and_nothing_else(void **state)
{
	(void)state;
	assert_string_equal(run("nodemcu", RESET_TO_LOADER, RESET_INVERTED),
			    "lines 1 1;lines 0 0;lines 1 0;sleep 20;lines 0 1;sleep 50;"
			    "lines 1 1;lines 1 -1;");
	assert_string_equal(run("dtr", RESET_TO_LOADER, RESET_INVERTED), "lines 0 -1;");
}

static void the_other_wirings_have_their_sequences(void **state)
{
	(void)state;
	assert_string_equal(run("ck", RESET_TO_LOADER, 0),
			    "lines -1 1;lines 1 -1;break 1;sleep 250;break 0;sleep 5;"
			    "lines -1 0;sleep 250;lines 0 -1;");
	assert_string_equal(run("ck", RESET_TO_APP, 0), "lines 0 -1;lines -1 1;sleep 5;lines -1 0;");
	assert_string_equal(run("wifio", RESET_TO_LOADER, 0),
			    "lines 0 -1;sleep 5;lines 1 -1;sleep 5;lines 0 -1;break 1;sleep 250;"
			    "break 0;");
	assert_string_equal(run("wifio", RESET_TO_APP, 0), "lines 0 -1;sleep 5;lines 1 -1;");
	assert_string_equal(run("dtr", RESET_TO_APP, 0), "lines 0 -1;");
	assert_string_equal(run("none", RESET_TO_LOADER, 0), "");
	assert_string_equal(run("none", RESET_TO_APP, 0), "");
}

static void every_name_has_both_purposes_and_runs(void **state)
{
	size_t n;
	const struct reset_sequence *s = reset_list(&n);

	(void)state;
	assert_int_equal(n, 12);
	for (size_t i = 0; i < n; i++) {
		assert_ptr_equal(reset_find(s[i].name, s[i].purpose), &s[i]);
		assert_non_null(reset_find(s[i].name, (enum reset_purpose)!s[i].purpose));
		run(s[i].name, s[i].purpose, RESET_SLOW | RESET_INVERTED);
	}
	assert_null(reset_find("nodemcu2", RESET_TO_LOADER));
	assert_null(reset_find("", RESET_TO_LOADER));
}

static void a_senseless_step_is_refused_before_anything_moves(void **state)
{
	static const struct reset_step bad[] = {
		{ RESET_DTR, 2, 0 }, { RESET_RTS, -1, 0 }, { RESET_BOTH, 0, 7 },
		{ RESET_WAIT_MS, -1, 0 }, { RESET_WAIT_MS, 1, 10001 }, { RESET_BREAK, 10001, 0 },
		{ (enum reset_op)99, 0, 0 },
	};
	struct fake_port *f = fake_new();

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct reset_step steps[2] = { { RESET_DTR, 1, 0 }, bad[i] };

		assert_int_equal(reset_run(&f->port, steps, 2, 0), ESP_E_ARGUMENT);
		assert_non_null(strstr(f->port.err.text, "step 2"));
	}
	assert_string_equal(f->log, "");
	fake_free(f);
}

static void too_many_steps_are_refused(void **state)
{
	struct reset_step steps[RESET_STEPS_MAX + 1] = { { RESET_DTR, 0, 0 } };
	struct fake_port *f = fake_new();

	(void)state;
	assert_int_equal(reset_run(&f->port, steps, RESET_STEPS_MAX, 0), 0);
	assert_int_equal(reset_run(&f->port, steps, RESET_STEPS_MAX + 1, 0), ESP_E_ARGUMENT);
	fake_free(f);
}

static void an_unplugged_port_stops_the_run_at_once(void **state)
{
	const struct reset_sequence *s = reset_find("nodemcu", RESET_TO_LOADER);
	struct fake_port *f = fake_new();

	(void)state;
	f->fail_lines = 2;
	assert_int_equal(reset_run(&f->port, s->steps, s->n, 0), ESP_E_GONE);
	assert_string_equal(f->log, "lines 0 0;lines 1 1;");
	fake_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodemcu_changes_both_lines_at_once),
		cmocka_unit_test(a_slow_run_takes_the_long_wait_only_where_there_is_one),
		cmocka_unit_test(an_inverted_run_flips_every_level_and_nothing_else),
		cmocka_unit_test(the_other_wirings_have_their_sequences),
		cmocka_unit_test(every_name_has_both_purposes_and_runs),
		cmocka_unit_test(a_senseless_step_is_refused_before_anything_moves),
		cmocka_unit_test(too_many_steps_are_refused),
		cmocka_unit_test(an_unplugged_port_stops_the_run_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
