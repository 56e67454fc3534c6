/* test_rom_facts_image.c - how the simulated mask ROM reads a firmware image:
 * in pieces of 16 bytes, which its log speaks of, as the real one was seen to.
 */
#include "test_rom_facts.h"

#define CODE 0x40100000u
#define RAM 0x3FFE8000u

struct segment {
	uint32_t addr, size;
};

/* Writes an image of n segments of zeros to mem; its code begins with a ret. */
static void put_image(uint8_t *mem, const struct segment *seg, uint8_t n, uint32_t entry)
{
	uint8_t sum = 0xEF, *p = mem + 8;

	memcpy(mem, (uint8_t[]){ 0xE9, n, 2, 0x40 }, 4);
	memcpy(mem + 4, &entry, 4);
	for (; n; n--, seg++) {
		memcpy(p, &seg->addr, 4);
		memcpy(p + 4, &seg->size, 4);
		p += 8;
		memset(p, 0, seg->size);
		if (seg->addr == CODE)
			*p = 0x80;	/* ret */
		for (uint32_t i = 0; i < seg->size; i++)
			sum ^= *p++;
	}
	mem[(p - mem) | 15] = sum;
}

/* Resets into flash and drops the banner. */
static void boot(struct rig *r, const struct segment *seg, uint8_t n, uint32_t entry)
{
	struct chip_config cfg = rig_config(STRAP_FLASH);
	uint32_t bytes;

	rig_open(r, &cfg);
	chip_set_host_baud(r->chip, 74880);
	put_image(chip_flash(r->chip, &bytes), seg, n, entry);
	rig_wait(r, 51, RIG_S);
	rig_take(r, 51);
}

static void a_segment_that_ends_in_its_first_piece_has_a_tail_of_all_of_it(void **state)
{
	static const struct segment seg[] = { { CODE, 4 }, { RAM, 0 }, { RAM, 4 }, { RAM, 8 } };
	struct rig r;

	(void)state;
	boot(&r, seg, 4, CODE);
	rig_expect_text(&r, "load 0x40100000, len 4, room 16 \r\ntail 4\r\nchksum 0x6f\r\n"
			    "load 0x3ffe8000, len 0, room 4 \r\ntail 0\r\nchksum 0x6f\r\n"
			    "ho 12 tail 0 room 4\r\n"
			    "load 0x3ffe8000, len 4, room 12 \r\ntail 4\r\nchksum 0x6f\r\n"
			    "load 0x3ffe8000, len 8, room 0 \r\ntail 8\r\nchksum 0x6f\r\n"
			    "csum 0x6f\r\nuser code done\r\n", RIG_S);
	rig_close(&r);
}

static void csum_shows_what_was_read_not_what_should_have_been(void **state)
{
	static const struct segment seg[] = { { CODE, 4 } };
	struct chip_config cfg = rig_config(STRAP_FLASH);
	struct rig r;
	uint32_t bytes;
	uint8_t *mem;

	(void)state;
	rig_open(&r, &cfg);
	chip_set_host_baud(r.chip, 74880);
	put_image(mem = chip_flash(r.chip, &bytes), seg, 1, CODE);
	mem[31] ^= 0xFF;
	rig_wait(&r, 51, RIG_S);
	rig_take(&r, 51);
	rig_expect_text(&r, "load 0x40100000, len 4, room 16 \r\ntail 4\r\nchksum 0x6f\r\n"
			    "csum 0x6f\r\ncsum err\r\nets_main.c ", RIG_S);
	rig_close(&r);
}

static void an_image_without_segments_is_entered_without_a_sum(void **state)
{
	struct chip_config cfg = rig_config(STRAP_FLASH);
	struct rig r;
	uint32_t bytes;

	(void)state;
	rig_open(&r, &cfg);
	chip_set_host_baud(r.chip, 74880);
	put_image(chip_flash(r.chip, &bytes), NULL, 0, CODE);
	assert_true(chip_poke(r.chip, CODE, 0x80));
	rig_wait(&r, 51, RIG_S);
	rig_take(&r, 51);
	rig_expect_text(&r, "user code done\r\n", RIG_S);
	rig_close(&r);
}

static void an_entry_of_0_is_not_called(void **state)
{
	static const struct segment seg[] = { { CODE, 4 } };
	struct rig r;

	(void)state;
	boot(&r, seg, 1, 0);
	rig_expect_text(&r, "load 0x40100000, len 4, room 16 \r\ntail 4\r\nchksum 0x6f\r\n"
			    "csum 0x6f\r\nuser code done\r\n", RIG_S);
	rig_close(&r);
}

static void what_raised_a_fatal_exception_is_tried_again(void **state)
{
	static const struct segment seg[] = { { CODE, 8 } };
	static const char report[] = "Fatal exception (0): \r\n"
		"epc1=0x40100004, epc2=0x00000000, epc3=0x00000000, excvaddr=0x00000000, "
		"depc=0x00000000\r\n";
	struct rig r;

	(void)state;
	boot(&r, seg, 1, CODE + 4);	/* three zero bytes are the illegal instruction */
	rig_expect_text(&r, "load 0x40100000, len 8, room 16 \r\ntail 8\r\nchksum 0x6f\r\n"
			    "csum 0x6f\r\n", RIG_S);
	for (int i = 0; i < 3; i++)
		rig_expect_text(&r, report, RIG_S);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_that_ends_in_its_first_piece_has_a_tail_of_all_of_it),
		cmocka_unit_test(csum_shows_what_was_read_not_what_should_have_been),
		cmocka_unit_test(an_image_without_segments_is_entered_without_a_sum),
		cmocka_unit_test(an_entry_of_0_is_not_called),
		cmocka_unit_test(what_raised_a_fatal_exception_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
