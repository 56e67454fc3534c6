#include "fake_port.h"

#include "../../src/loader/slip.h"

/* Feeds all bytes; keeps the last frame in out. Returns the number of frames,
 * and the last error in *err. */
static int feed(struct slip_decoder *d, const uint8_t *p, size_t n, int *err)
{
	int frames = 0;

	*err = 0;
	for (size_t i = 0; i < n; i++) {
		int rc = slip_feed(d, p[i]);

		if (rc > 0)
			frames++;
		if (rc < 0)
			*err = rc;
		assert_true(d->len <= d->cap);
	}
	return frames;
}

static void a_frame_comes_out_as_it_went_in(void **state)
{
	static const uint8_t in[] = { 0xC0, 0x01, 0xDB, 0xDC, 0xDB, 0xDD, 0x00, 0xC0 };
	static const uint8_t want[] = { 0x01, 0xC0, 0xDB, 0x00 };
	uint8_t buf[8];
	struct slip_decoder d;
	int err;

	(void)state;
	slip_init(&d, buf, sizeof buf);
	assert_int_equal(feed(&d, in, sizeof in, &err), 1);
	assert_int_equal(err, 0);
	assert_int_equal(d.len, sizeof want);
	assert_memory_equal(buf, want, sizeof want);
}

static void the_encoder_makes_the_bytes_of_the_standard(void **state)
{
	static const uint8_t in[] = { 0xC0, 0xDB, 0x00, 0xFF, 0xDC, 0xDD };
	static const uint8_t want[] = { 0xC0, 0xDB, 0xDC, 0xDB, 0xDD, 0x00, 0xFF, 0xDC, 0xDD,
					0xC0 };
	uint8_t out[32];

	(void)state;
	assert_int_equal(slip_encode(out, sizeof out, in, sizeof in), sizeof want);
	assert_memory_equal(out, want, sizeof want);
	assert_int_equal(slip_encode(out, sizeof out, in, 0), 2);
}

static void the_encoder_refuses_what_does_not_fit(void **state)
{
	static const struct { uint8_t in[3]; size_t len; int wire; } cases[] = {
		{ { 1, 0xC0, 2 }, 3, 6 }, { { 0 }, 0, 2 }, { { 1 }, 1, 3 }, { { 0xC0 }, 1, 4 },
		{ { 1, 0xDB }, 2, 5 }, { { 0xC0, 0xDB, 0xC0 }, 3, 8 },
	};
	uint8_t out[16];

	(void)state;
	for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
		for (size_t cap = 0; cap < 16; cap++) {
			memset(out, 0xEE, sizeof out);
			assert_int_equal(slip_encode(out, cap, cases[k].in, cases[k].len),
					 (int)cap < cases[k].wire ? ESP_E_TOOBIG : cases[k].wire);
			for (size_t i = cap; i < sizeof out; i++)
				assert_int_equal(out[i], 0xEE);
		}
	}
	assert_int_equal(slip_encoded_max(3), 8);
}

static void bytes_before_the_first_end_are_skipped(void **state)
{
	static const uint8_t in[] = { 'b', 'o', 0xDB, 'o', 't', 0xC0, 7, 0xC0 };
	uint8_t buf[4];
	struct slip_decoder d;
	int err;

	(void)state;
	slip_init(&d, buf, sizeof buf);
	assert_int_equal(feed(&d, in, sizeof in, &err), 1);
	assert_int_equal(err, 0);
	assert_int_equal(d.len, 1);
	assert_int_equal(buf[0], 7);
}

static void empty_frames_and_shared_ends_are_tolerated(void **state)
{
	static const uint8_t in[] = { 0xC0, 0xC0, 0xC0, 1, 0xC0, 2, 2, 0xC0, 0xC0, 3, 0xC0 };
	uint8_t buf[4];
	struct slip_decoder d;
	int err;

	(void)state;
	slip_init(&d, buf, sizeof buf);
	assert_int_equal(feed(&d, in, sizeof in, &err), 3);
	assert_int_equal(err, 0);
	assert_int_equal(buf[0], 3);
}

static void a_bad_escape_costs_its_frame_and_no_other(void **state)
{
	static const uint8_t in[] = { 0xC0, 1, 0xDB, 0x55, 9, 9, 0xC0, 2, 0xC0 };
	static const uint8_t cut[] = { 0xC0, 1, 0xDB, 0xC0, 2, 0xC0 };
	uint8_t buf[4];
	struct slip_decoder d;
	int err;

	(void)state;
	slip_init(&d, buf, sizeof buf);
	assert_int_equal(feed(&d, in, sizeof in, &err), 1);
	assert_int_equal(err, ESP_E_PROTO);
	assert_int_equal(buf[0], 2);
	slip_init(&d, buf, sizeof buf);
	assert_int_equal(feed(&d, cut, sizeof cut, &err), 1);
	assert_int_equal(err, ESP_E_PROTO);
	assert_int_equal(buf[0], 2);
}

static void a_frame_that_is_too_long_is_refused_and_never_cut(void **state)
{
	uint8_t buf[4];
	struct slip_decoder d;

	(void)state;
	slip_init(&d, buf, sizeof buf);
	assert_int_equal(slip_feed(&d, 0xC0), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(slip_feed(&d, 1), 0);
	assert_int_equal(slip_feed(&d, 1), ESP_E_TOOBIG);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(slip_feed(&d, 1), 0);
	assert_int_equal(slip_feed(&d, 0xC0), 0);
	assert_int_equal(slip_feed(&d, 5), 0);
	assert_int_equal(slip_feed(&d, 0xC0), 1);
	assert_int_equal(d.len, 1);
	assert_int_equal(buf[0], 5);
}

static void a_frame_that_just_fits_is_taken(void **state)
{
	static const uint8_t in[] = { 0xC0, 1, 2, 3, 0xDB, 0xDC, 0xC0 };
	uint8_t buf[4];
	struct slip_decoder d;
	int err;

	(void)state;
	slip_init(&d, buf, sizeof buf);
	assert_int_equal(feed(&d, in, sizeof in, &err), 1);
	assert_int_equal(d.len, 4);
	assert_int_equal(buf[3], 0xC0);
}

static uint8_t special(void)
{
	static const uint8_t often[] = { 0xC0, 0xDB, 0xDC, 0xDD };

	return rand() % 2 ? often[rand() % 4] : (uint8_t)rand();
}

static void any_row_of_frames_survives_garbage_in_front(void **state)
{
	uint8_t data[64], wire[2 * 64 + 2], buf[64];
	struct slip_decoder d;

	(void)state;
	fake_seed();
	slip_init(&d, buf, sizeof buf);
	for (int round = 0; round < 20000; round++) {
		size_t len = 1 + (size_t)rand() % sizeof data, i;
		int n, frames = 0, err;

		for (i = 0; i < len; i++)
			data[i] = special();
		for (i = (size_t)rand() % 20; i > 0; i--)	/* and what it makes of that */
			(void)slip_feed(&d, special());
		(void)slip_feed(&d, 0xC0);
		n = slip_encode(wire, sizeof wire, data, len);
		assert_in_range(n, len + 2, slip_encoded_max(len));
		for (i = 1; i < (size_t)n - 1; i++)
			assert_int_not_equal(wire[i], 0xC0);
		frames = feed(&d, wire, (size_t)n, &err);
		assert_int_equal(frames, 1);
		assert_int_equal(err, 0);
		assert_int_equal(d.len, len);
		assert_memory_equal(buf, data, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_comes_out_as_it_went_in),
		cmocka_unit_test(the_encoder_makes_the_bytes_of_the_standard),
		cmocka_unit_test(the_encoder_refuses_what_does_not_fit),
		cmocka_unit_test(bytes_before_the_first_end_are_skipped),
		cmocka_unit_test(empty_frames_and_shared_ends_are_tolerated),
		cmocka_unit_test(a_bad_escape_costs_its_frame_and_no_other),
		cmocka_unit_test(a_frame_that_is_too_long_is_refused_and_never_cut),
		cmocka_unit_test(a_frame_that_just_fits_is_taken),
		cmocka_unit_test(any_row_of_frames_survives_garbage_in_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
