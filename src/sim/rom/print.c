/* print.c - ets_printf, on the UART or on a function of the firmware's.
 *
 * Layer: inside the simulated chip, above uart.
 */
#include "rom.h"

static void (*put_char)(char c);

/* One conversion of a format. */
struct spec {
	int width;
	char pad;
	char left;
};

/* Terminals of the day wanted CR LF. */
static void put_uart(char c)
{
	if (c == '\n')
		uart_tx_one_char('\r');
	uart_tx_one_char((uint8_t)c);
}

void ets_install_putc1(void (*fn)(char c))
{
	put_char = fn;
}

void ets_install_uart_printf(void)
{
	put_char = put_uart;
}

static void emit(char c)
{
	if (put_char)
		put_char(c);
}

static int fill(char c, int n)
{
	for (int i = 0; i < n; i++)
		emit(c);
	return n > 0 ? n : 0;
}

static int put_text(const char *s, int len, const struct spec *sp)
{
	int n = len;

	if (!sp->left)
		n += fill(sp->pad, sp->width - len);
	for (int i = 0; i < len; i++)
		emit(s[i]);
	if (sp->left)
		n += fill(' ', sp->width - len);
	return n;
}

/* A string goes out as it is read, so a bad pointer faults after what stands
 * before it was printed (the boot code's `ets_main.c ` relies on it). */
static int put_string(const char *s, const struct spec *sp)
{
	int n = 0;

	if (sp->width)
		return put_text(s, (int)strlen(s), sp);
	for (; *s; s++, n++)
		emit(*s);
	return n;
}

static int put_number(uint32_t v, unsigned base, char sign, char ten, struct spec *sp)
{
	char text[12], *p = text + sizeof text;
	int n = 0;

	do {
		unsigned digit = v % base;

		*--p = (char)(digit < 10 ? '0' + digit : ten + digit - 10);
		v /= base;
	} while (v);
	if (sign && sp->pad == '0' && !sp->left) {	/* the sign precedes the zeros */
		emit(sign);
		sp->width--;
		n++;
	} else if (sign) {
		*--p = sign;
	}
	return n + put_text(p, (int)(text + sizeof text - p), sp);
}

static const char *parse_spec(const char *f, struct spec *sp, va_list *ap)
{
	sp->width = 0;
	sp->pad = ' ';
	sp->left = 0;
	for (;; f++) {
		if (*f == '0')
			sp->pad = '0';
		else if (*f == '-')
			sp->left = 1;
		else
			break;
	}
	if (*f == '*') {
		sp->width = va_arg(*ap, int);
		f++;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		sp->width = sp->width * 10 + *f - '0';
	while (*f == 'l' || *f == 'h')
		f++;
	return f;
}

static int convert(char kind, struct spec *sp, va_list *ap)
{
	int32_t v;
	char c;

	switch (kind) {
	case 'd':
	case 'i':
		v = va_arg(*ap, int32_t);
		return put_number(v < 0 ? -(uint32_t)v : (uint32_t)v, 10, v < 0 ? '-' : 0, 'a', sp);
	case 'u':
		return put_number(va_arg(*ap, uint32_t), 10, 0, 'a', sp);
	case 'o':
		return put_number(va_arg(*ap, uint32_t), 8, 0, 'a', sp);
	case 'x':
	case 'p':
		return put_number(va_arg(*ap, uint32_t), 16, 0, 'a', sp);
	case 'X':
		return put_number(va_arg(*ap, uint32_t), 16, 0, 'A', sp);
	case 's':
		return put_string(va_arg(*ap, const char *), sp);
	case 'c':
		c = (char)va_arg(*ap, int);
		return put_text(&c, 1, sp);
	default:
		emit(kind);
		return 1;
	}
}

/* printf with d i u o x X p s c and %, width, 0 and -; returns the number of
 * characters, before LF becomes CR LF. */
int ets_printf(const char *fmt, ...)
{
	struct spec sp;
	va_list ap;
	int n = 0;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			emit(*fmt);
			n++;
			continue;
		}
		fmt = parse_spec(fmt + 1, &sp, &ap);
		if (!*fmt)
			break;
		n += convert(*fmt, &sp, &ap);
	}
	va_end(ap);
	return n;
}
