#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 8192 };

static const char *const names[FAULT_KINDS] = {
	[FAULT_FLIP_IN] = "flip-in", [FAULT_LOSE_IN] = "lose-in", [FAULT_DUP_IN] = "dup-in",
	[FAULT_FLIP_OUT] = "flip-out", [FAULT_LOSE_OUT] = "lose-out",
	[FAULT_DUP_OUT] = "dup-out", [FAULT_RESET] = "reset", [FAULT_UNPLUG] = "unplug",
	[FAULT_CUT] = "cut", [FAULT_CUT_BEFORE] = "cut-before", [FAULT_CUT_AFTER] = "cut-after",
	[FAULT_LIE] = "lie", [FAULT_SIGNAL] = "signal", [FAULT_SIGNAL_OP] = "signal-op",
	[FAULT_ID] = "id", [FAULT_STUCK0] = "stuck0", [FAULT_STUCK1] = "stuck1",
};

/* Kinds whose ARG counts openings that find nothing: the first character of
 * their line counts down, `9` to `0`, or is `n` for never again. */
static bool lasts_over_openings(enum fault_kind k)
{
	return k == FAULT_UNPLUG || k == FAULT_CUT || k == FAULT_CUT_BEFORE ||
	       k == FAULT_CUT_AFTER;
}

static enum fault_kind kind_of(const char *word)
{
	for (int k = FAULT_NONE + 1; k < FAULT_KINDS; k++)
		if (strcmp(word, names[k]) == 0)
			return (enum fault_kind)k;
	return FAULT_NONE;
}

static void set_mark(struct faults *f, const struct fault *x, char mark)
{
	ssize_t n = pwrite(f->fd, &mark, 1, (off_t)x->mark);

	(void)n;	/* a fault that cannot be remembered comes again */
}

/* An opening of a port that is gone, or of a chip that has no power. */
static void count_down(struct faults *f, struct fault *x, char mark)
{
	bool absent = mark == 'n' || (mark >= '1' && mark <= '9');

	x->over = true;
	if (!absent)
		return;
	if (x->kind == FAULT_UNPLUG)
		f->gone = true;
	else
		f->off = true;
	if (mark != 'n')
		set_mark(f, x, (char)(mark == '1' ? 'x' : mark - 1));
}

static bool parse_arg(struct fault *x, const char *text)
{
	char *end;

	if (strcmp(text, "n") == 0) {
		x->arg = FAULT_FOREVER;
		return lasts_over_openings(x->kind);
	}
	x->arg = strtoull(text, &end, 0);
	return *end == '\0' && (!lasts_over_openings(x->kind) || x->arg <= 9);
}

static int parse_line(struct faults *f, const char *line, size_t at, struct esp_error *err)
{
	struct fault *x = &f->list[f->count];
	char mark, word[16], arg[24] = "";
	unsigned long long n;

	if (*line == '#' || *line == '\0')
		return 0;
	if (f->count == FAULTS_MAX)
		return esp_fail(err, ESP_E_ARGUMENT, "sim: more than %d faults", FAULTS_MAX);
	*x = (struct fault){ .mark = at };
	if (sscanf(line, "%c %15s %llu %23s", &mark, word, &n, arg) < 3 ||
	    (x->kind = kind_of(word)) == FAULT_NONE)
		return esp_fail(err, ESP_E_ARGUMENT, "sim: \"%.40s\" is no fault", line);
	x->n = n;
	x->arg = lasts_over_openings(x->kind) ? 0 : 1;
	if (*arg && !parse_arg(x, arg))
		return esp_fail(err, ESP_E_ARGUMENT, "sim: \"%.40s\": no such number", line);
	if (mark != '-')
		count_down(f, x, mark);
	f->kinds |= 1u << x->kind;
	f->count++;
	return 0;
}

static int parse(struct faults *f, char *text, struct esp_error *err)
{
	size_t at = 0;
	int rc = 0;

	while (text[at] && rc >= 0) {
		size_t len = strcspn(text + at, "\n");
		bool more = text[at + len] != '\0';

		text[at + len] = '\0';
		rc = parse_line(f, text + at, at, err);
		at += len + more;
	}
	return rc;
}

int faults_open(struct faults *f, const char *path, struct esp_error *err)
{
	char text[FILE_MAX + 1];
	ssize_t n;

	memset(f, 0, sizeof *f);
	if (!*path)
		return 0;
	f->fd = open(path, O_RDWR | O_CLOEXEC);
	if (f->fd < 0)
		return esp_fail(err, errno == ENOENT ? ESP_E_MISSING : ESP_E_ACCESS, "%s: %s", path,
				strerror(errno));
	n = read(f->fd, text, FILE_MAX);
	if (n < 0)
		return esp_fail(err, ESP_E_IO, "%s: %s", path, strerror(errno));
	text[n] = '\0';
	return parse(f, text, err);
}

void faults_close(struct faults *f)
{
	if (f->fd > 0)
		close(f->fd);
	f->fd = 0;
}

/* It begins now: marked before anything comes of it. */
static void begin(struct faults *f, struct fault *x)
{
	char mark = 'x';

	x->over = x->on = true;
	if (lasts_over_openings(x->kind) && x->arg)
		mark = x->arg == FAULT_FOREVER ? 'n' : (char)('0' + x->arg);
	if (x->kind != FAULT_STUCK0 && x->kind != FAULT_STUCK1)
		set_mark(f, x, mark);
}

const struct fault *faults_at(struct faults *f, enum fault_kind kind, uint64_t count)
{
	if (!(f->kinds & 1u << kind))
		return NULL;
	for (size_t i = 0; i < f->count; i++) {
		struct fault *x = &f->list[i];

		if (x->kind != kind || count < x->n || count - x->n >= x->arg)
			continue;
		if (!x->on && x->over)
			continue;
		if (!x->on)
			begin(f, x);
		return x;
	}
	return NULL;
}

const struct fault *faults_due(struct faults *f, enum fault_kind kind, uint64_t count)
{
	if (!(f->kinds & 1u << kind))
		return NULL;
	for (size_t i = 0; i < f->count; i++) {
		struct fault *x = &f->list[i];

		if (x->kind != kind || x->over || count < x->n)
			continue;
		begin(f, x);
		return x;
	}
	return NULL;
}

const struct fault *faults_next(const struct faults *f, enum fault_kind kind)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->list[i].kind == kind && !f->list[i].over)
			return &f->list[i];
	return NULL;
}

void faults_note(struct faults *f, const char *line)
{
	if (f->fd > 0 && lseek(f->fd, 0, SEEK_END) >= 0)
		dprintf(f->fd, "%s\n", line);
}
