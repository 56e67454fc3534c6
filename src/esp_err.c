#include "esp_err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static const char *const names[] = {
	"ok", "timeout", "gone", "busy", "access", "missing", "protocol",
	"refused", "toobig", "io", "nomem", "unsupported", "argument",
	"closed", "interrupted", "flash",
};

int esp_fail(struct esp_error *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		e->code = code;
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof e->text, fmt, ap);
		va_end(ap);
	}
	return code;
}

int esp_pass(struct esp_error *to, const struct esp_error *from)
{
	if (to != from)
		*to = *from;
	return to->code;
}

const char *esp_err_name(int code)
{
	size_t n = sizeof names / sizeof names[0];

	if (code > 0 || (size_t)-code >= n)
		return "unknown";
	return names[-code];
}
