/* print.c - ets_printf, on the UART or on a function of the firmware's.
 *
 * Layer: inside the simulated chip, above uart.
 */
#include "rom.h"

static void (*put_char)(char c);	/* what is installed */
static void (*sink)(char c);		/* where the text being printed goes */

/* One conversion of a format: %[-][0]width[.digits][l[l]]kind. */
struct spec {
	int width;
	char pad;
	char left;
	char longs;
	char kind;
};

/* Terminals of the day wanted CR LF. */
static void put_uart(char c)
{
	if (c == '\n')
		uart_tx_one_char('\r');
	uart_tx_one_char((uint8_t)c);
}

/* To the UART as it is. */
int ets_putc(int c)
{
	return uart_tx_one_char((uint8_t)c);
}

void ets_install_putc1(void (*fn)(char c))
{
	put_char = fn;
}

void ets_install_uart_printf(void)
{
	put_char = put_uart;
}

int ets_write_char(int c)
{
	if (put_char)
		put_char((char)c);
	return 0;
}

static void write_char(char c)
{
	ets_write_char(c);
}

static void emit(char c)
{
	sink(c);
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

static int put_number(uint64_t v, unsigned base, char sign, char ten, struct spec *sp)
{
	char text[24], *p = text + sizeof text;
	int n = 0;

	do {
		unsigned digit = (unsigned)(v >> 32 ? v % base : (uint32_t)v % base);

		*--p = (char)(digit < 10 ? '0' + digit : ten + digit - 10);
		v = v >> 32 ? v / base : (uint32_t)v / base;
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

static int put_signed(int64_t v, struct spec *sp)
{
	return put_number(v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0 ? '-' : 0, 'a', sp);
}

/* Always eight places: with zeros in front or, when left, blanks behind. The
 * first two characters are not counted. */
static int put_pointer(uint32_t v, struct spec *sp)
{
	sp->width = 8;
	sp->pad = '0';
	emit('0');
	emit('x');
	return put_number(v, 16, 0, 'a', sp);
}

/* What is no conversion goes out as it stands, then the field's width in
 * padding. A doubled % is not counted. */
static int put_unknown(const struct spec *sp)
{
	emit('%');
	if (sp->kind == '%')
		return fill(sp->pad, sp->width);
	emit(sp->kind);
	return 2 + fill(sp->pad, sp->width);
}

/* Digits after a point only turn blanks in front into zeros. */
static const char *parse_spec(const char *f, struct spec *sp)
{
	*sp = (struct spec){ .pad = ' ' };
	if (*f == '-') {
		sp->left = 1;
		f++;
	}
	if (*f == '0') {
		sp->pad = '0';
		f++;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		sp->width = sp->width * 10 + *f - '0';
	if (*f == '.') {
		sp->pad = '0';
		while (*++f >= '0' && *f <= '9')
			;
	}
	for (; *f == 'l' && sp->longs < 2; f++)
		sp->longs++;
	sp->kind = *f;
	return f;
}

/* Of a long long only the low half is printed (but see put_signed()). */
static uint32_t number(struct spec *sp, va_list *ap)
{
	return sp->longs == 2 ? (uint32_t)va_arg(*ap, uint64_t) : va_arg(*ap, uint32_t);
}

static int convert(struct spec *sp, va_list *ap)
{
	const char *s;

	switch (sp->kind) {
	case 'd':
	case 'D':
		return put_signed(sp->longs == 2 ? va_arg(*ap, int64_t) : va_arg(*ap, int32_t), sp);
	case 'u':
	case 'U':
		return put_number(number(sp, ap), 10, 0, 'a', sp);
	case 'x':
		return put_number(number(sp, ap), 16, 0, 'a', sp);
	case 'X':
		return put_number(number(sp, ap), 16, 0, 'A', sp);
	case 'p':
		return put_pointer(va_arg(*ap, uint32_t), sp);
	case 's':
	case 'S':
		s = va_arg(*ap, const char *);
		return put_string(s ? s : "<null>", sp);
	case 'c':
	case 'C':
		emit((char)va_arg(*ap, int));
		return 1;
	default:
		return put_unknown(sp);
	}
}

static int print(void (*put)(char c), const char *fmt, va_list *ap)
{
	void (*before)(char c) = sink;	/* an interrupt may print, too */
	struct spec sp;
	int n = 0;

	sink = put;
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			emit(*fmt);
			n++;
			continue;
		}
		fmt = parse_spec(fmt + 1, &sp);
		n += convert(&sp, ap);
		if (!*fmt)
			break;
	}
	sink = before;
	return n;
}

/* printf with d u x p s c and their capitals; returns the number of characters,
 * before LF becomes CR LF. */
int ets_printf(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = print(write_char, fmt, &ap);
	va_end(ap);
	return n;
}

/* The same through a function of the caller's. */
int ets_vprintf(void (*put)(char c), const char *fmt, va_list ap)
{
	va_list copy;
	int n;

	va_copy(copy, ap);
	n = print(put, fmt, &copy);
	va_end(copy);
	return n;
}
