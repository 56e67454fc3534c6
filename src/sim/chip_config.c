#include "chip.h"

#include "flash_file.h"
#include "nor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One option of a sim: URL. `set` answers false when the value is no good. */
struct option {
	const char *key, *form, *help;
	bool (*set)(struct chip_config *cfg, const char *value);
};

void chip_config_init(struct chip_config *cfg)
{
	static const uint8_t mac[6] = { 0x60, 0x01, 0x94, 0xA5, 0xB6, 0x9C };

	memset(cfg, 0, sizeof *cfg);
	memcpy(cfg->mac, mac, sizeof mac);
	cfg->crystal_hz = 26000000;
	cfg->lines_wired = true;
	cfg->strap = 3;
	cfg->seed = 1;
	cfg->erase_scale = 1.0;
	cfg->stuck_sector = -1;
	cfg->latency_us = -1;
}

/* A whole number with an optional K, M or G (1024s); decimal or 0x. */
static bool number(const char *s, uint64_t max, uint64_t *out)
{
	static const char units[] = "KMG";
	char *end;
	const char *u;
	unsigned long long v;

	if (*s < '0' || *s > '9')
		return false;
	v = strtoull(s, &end, 0);
	u = *end ? strchr(units, *end & ~0x20) : NULL;
	for (int n = u ? (int)(u - units) + 1 : 0; n; n--) {
		if (v > max >> 10)
			return false;
		v <<= 10;
	}
	*out = v;
	return v <= max && (*end == '\0' || (u && end[1] == '\0'));
}

static bool real(const char *s, double max, double *out)
{
	char *end;

	if ((*s < '0' || *s > '9') && *s != '.')
		return false;
	*out = strtod(s, &end);
	return *end == '\0' && *out >= 0 && *out <= max;
}

static bool text(const char *s, char *out, size_t cap)
{
	return *s && (size_t)snprintf(out, cap, "%s", s) < cap;
}

/* The index of s in names (NULL at the end), -1 when it is none. */
static int choice(const char *s, const char *const *names)
{
	for (int i = 0; names[i]; i++)
		if (strcmp(s, names[i]) == 0)
			return i;
	return -1;
}

static bool flag(const char *s, bool *out)
{
	static const char *const names[] = { "0", "1", NULL };
	int i = choice(s, names);

	*out = i == 1;
	return i >= 0;
}

static bool set_chip(struct chip_config *cfg, const char *v)
{
	static const char *const names[] = { "esp8266", "esp8285", "esp32", NULL };
	int i = choice(v, names);

	cfg->esp8285 = i == 1;
	cfg->esp32 = i == 2;
	return i >= 0;
}

static bool set_size(struct chip_config *cfg, const char *v)
{
	uint64_t n;

	if (!number(v, FLASH_BYTES_MAX, &n) || n < FLASH_BYTES_MIN || (n & (n - 1)))
		return false;
	cfg->flash_bytes = (uint32_t)n;
	return true;
}

/* Six hex digits as tools print an id: maker, type, capacity. */
static bool set_id(struct chip_config *cfg, const char *v)
{
	char *end;
	unsigned long n = strtoul(v, &end, 16);

	cfg->jedec_id = (uint32_t)((n >> 16 & 0xFF) | (n & 0xFF00) | (n & 0xFF) << 16);
	return strlen(v) == 6 && *end == '\0' && strspn(v, "0123456789abcdefABCDEF") == 6;
}

static bool set_mac(struct chip_config *cfg, const char *v)
{
	unsigned b[6];
	int used = 0;

	if (sscanf(v, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &used) != 6 || used != 17 || v[used])
		return false;
	for (int i = 0; i < 6; i++)
		cfg->mac[i] = (uint8_t)b[i];
	return true;
}

static bool set_crystal(struct chip_config *cfg, const char *v)
{
	static const char *const names[] = { "26", "40", NULL };
	int i = choice(v, names);

	cfg->crystal_hz = i == 1 ? 40000000 : 26000000;
	return i >= 0;
}

static bool set_rom(struct chip_config *cfg, const char *v)
{
	return text(v, cfg->rom_path, sizeof cfg->rom_path);
}

static bool set_wiring(struct chip_config *cfg, const char *v)
{
	static const char *const names[] = { "nodemcu", "direct", "wifio", "none", NULL };
	int i = choice(v, names);

	cfg->lines_wired = i < 3;
	if (i >= 0 && i < 3)
		cfg->wiring = (enum chip_wiring)i;
	return i >= 0;
}

static bool set_strap(struct chip_config *cfg, const char *v)
{
	static const char *const names[] = { "1", "3", NULL };
	int i = choice(v, names);

	cfg->strap = i == 0 ? 1 : 3;
	return i >= 0;
}

static bool set_seed(struct chip_config *cfg, const char *v)
{
	uint64_t n;
	bool ok = number(v, UINT32_MAX, &n);

	if (ok)
		cfg->seed = (uint32_t)n;
	return ok;
}

static bool set_flip(struct chip_config *cfg, const char *v) { return real(v, 1, &cfg->flip); }
static bool set_lose(struct chip_config *cfg, const char *v) { return real(v, 1, &cfg->lose); }
static bool set_dup(struct chip_config *cfg, const char *v) { return real(v, 1, &cfg->dup); }
static bool set_lie(struct chip_config *cfg, const char *v) { return real(v, 1, &cfg->lie); }

static bool set_slow(struct chip_config *cfg, const char *v)
{
	return real(v, 1000, &cfg->erase_scale);
}

static bool set_maxbaud(struct chip_config *cfg, const char *v)
{
	uint64_t n;
	bool ok = number(v, UINT32_MAX, &n);

	if (ok)
		cfg->max_clean_baud = (uint32_t)n;
	return ok;
}

static bool set_maxafter(struct chip_config *cfg, const char *v)
{
	return number(v, UINT64_MAX, &cfg->max_clean_after);
}

static bool set_die(struct chip_config *cfg, const char *v)
{
	return number(v, UINT64_MAX, &cfg->die_after_bytes);
}

static bool set_unplug(struct chip_config *cfg, const char *v)
{
	return number(v, UINT64_MAX, &cfg->unplug_after_bytes);
}

static bool set_cut(struct chip_config *cfg, const char *v)
{
	return number(v, UINT64_MAX, &cfg->power_cut_op);
}

static bool set_cutwhen(struct chip_config *cfg, const char *v)
{
	static const char *const names[] = { "before", "during", "after", NULL };
	int i = choice(v, names);

	cfg->power_cut_when = i - 1;
	return i >= 0;
}

static bool set_stuck(struct chip_config *cfg, const char *v)
{
	uint64_t n;
	bool ok = number(v, FLASH_BYTES_MAX / 4096, &n);

	if (ok)
		cfg->stuck_sector = (int64_t)n;
	return ok;
}

static bool set_protect(struct chip_config *cfg, const char *v)
{
	return flag(v, &cfg->write_protect);
}

static bool set_sr(struct chip_config *cfg, const char *v)
{
	char *end;
	unsigned long n = strtoul(v, &end, 16);

	cfg->status = (uint32_t)n;
	return *v && *end == '\0' && n <= 0xFFFFFF && strspn(v, "xX0123456789abcdefABCDEF") == strlen(v);
}

/* Names with commas between them. */
static bool set_badmode(struct chip_config *cfg, const char *v)
{
	static const char *const names[] = { "fast", "dout", "dio", "qout", "qio", NULL };
	char word[8];

	cfg->bad_modes = 0;
	while (*v) {
		size_t len = strcspn(v, ",");
		int i;

		if (len >= sizeof word)
			return false;
		memcpy(word, v, len);
		word[len] = '\0';
		i = choice(word, names);
		if (i < 0)
			return false;
		cfg->bad_modes |= (uint8_t)(1 << i);	/* the order of enum nor_mode */
		v += len + (v[len] == ',');
	}
	return cfg->bad_modes != 0;
}

static bool set_faults(struct chip_config *cfg, const char *v)
{
	return text(v, cfg->faults_path, sizeof cfg->faults_path);
}

static bool set_pace(struct chip_config *cfg, const char *v)
{
	static const char *const names[] = { "fast", "real", NULL };
	int i = choice(v, names);

	cfg->paced = i == 1;
	return i >= 0;
}

static bool set_latency(struct chip_config *cfg, const char *v)
{
	double ms;

	if (!real(v, 255, &ms))
		return false;
	cfg->latency_us = (int32_t)(ms * 1000);
	return true;
}

static const struct option options[] = {
	{ "chip", "esp8266|esp8285|esp32", "what it says it is (esp32: only that)", set_chip },
	{ "size", "256K..16M", "flash size; default the file's, else 4M", set_size },
	{ "id", "EF4016", "flash id: maker, type, capacity; default by size", set_id },
	{ "mac", "60:01:94:A5:B6:9C", "station MAC", set_mac },
	{ "crystal", "26|40", "crystal in MHz", set_crystal },
	{ "rom", "FILE", "a 64 KiB dump to run in place of the built-in mask ROM", set_rom },
	{ "wiring", "nodemcu|direct|wifio|none", "what DTR and RTS drive", set_wiring },
	{ "strap", "1|3", "boot mode when wiring=none: 1 download, 3 flash", set_strap },
	{ "pace", "fast|real", "clock: as fast as possible, or the wall clock's", set_pace },
	{ "latency", "MS", "USB bridge's latency timer; default 0, paced 1", set_latency },
	{ "seed", "N", "of all that is random; the same seed repeats", set_seed },
	{ "flip", "P", "probability that a byte has a bit flipped, both ways", set_flip },
	{ "lose", "P", "probability that a byte is lost, both ways", set_lose },
	{ "dup", "P", "probability that a byte comes twice, both ways", set_dup },
	{ "maxbaud", "BAUD", "above it one byte in 50 is damaged", set_maxbaud },
	{ "maxafter", "N", "maxbaud counts from the N-th byte on", set_maxafter },
	{ "die", "N", "the chip stops for good after N bytes", set_die },
	{ "unplug", "N", "the port is gone after N bytes", set_unplug },
	{ "cut", "N", "power fails in the N-th flash erase or program", set_cut },
	{ "cutwhen", "before|during|after", "when in that operation; default during", set_cutwhen },
	{ "slow", "X", "flash busy times times X; 0 = instant", set_slow },
	{ "stuck", "SECTOR", "a sector that will not change", set_stuck },
	{ "protect", "0|1", "flash write protection set and locked", set_protect },
	{ "sr", "04021C", "status registers 3, 2, 1 that power-on finds, in hex", set_sr },
	{ "lie", "P", "probability that an erase or program does nothing", set_lie },
	{ "badmode", "qio,qout", "ways to read (fast, dout, dio, qout, qio) that read wrong",
	  set_badmode },
	{ "faults", "FILE", "faults at moments of their own, one a line; see below", set_faults },
};

#define OPTIONS (sizeof options / sizeof options[0])

const char *chip_config_option(size_t i, const char **form, const char **help)
{
	if (i >= OPTIONS)
		return NULL;
	*form = options[i].form;
	*help = options[i].help;
	return options[i].key;
}

static int unknown(const char *key, struct esp_error *err)
{
	char list[ESP_ERROR_TEXT_MAX] = "";
	size_t n = 0;

	for (size_t i = 0; i < OPTIONS && n < sizeof list; i++)
		n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "",
				      options[i].key);
	return esp_fail(err, ESP_E_ARGUMENT, "sim: no option \"%.20s\"; there are %s", key, list);
}

int chip_config_parse(struct chip_config *cfg, const char *key, const char *value,
		      struct esp_error *err)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		if (strcmp(options[i].key, key) != 0)
			continue;
		if (options[i].set(cfg, value))
			return 0;
		return esp_fail(err, ESP_E_ARGUMENT, "sim: %s=%.60s is not %s (%s)", key, value,
				options[i].form, options[i].help);
	}
	return unknown(key, err);
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *p = c ? strchr(digits, c | 0x20) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* Decodes %XX of src[0 .. n) into dst. False when it does not fit. */
static bool decode(char *dst, size_t cap, const char *src, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		bool hex = src[i] == '%' && i + 2 < n && hex_digit(src[i + 1]) >= 0 &&
			   hex_digit(src[i + 2]) >= 0;

		if (k + 1 >= cap)
			return false;
		dst[k++] = hex ? (char)(hex_digit(src[i + 1]) << 4 | hex_digit(src[i + 2])) : src[i];
		i += hex ? 2 : 0;
	}
	dst[k] = '\0';
	return true;
}

int chip_config_parse_query(struct chip_config *cfg, const char *query, struct esp_error *err)
{
	char key[32], value[256];
	int rc = 0;

	while (*query && rc >= 0) {
		size_t len = strcspn(query, "&"), eq = strcspn(query, "=&");

		if (eq == len)
			return esp_fail(err, ESP_E_ARGUMENT, "sim: \"%.*s\" is not key=value",
					len > 40 ? 40 : (int)len, query);
		if (!decode(key, sizeof key, query, eq) ||
		    !decode(value, sizeof value, query + eq + 1, len - eq - 1))
			return esp_fail(err, ESP_E_ARGUMENT, "sim: option \"%.*s...\" is too long",
					eq > 40 ? 40 : (int)eq, query);
		rc = chip_config_parse(cfg, key, value, err);
		query += len + (query[len] == '&');
	}
	return rc;
}
