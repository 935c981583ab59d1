/*
 * The formatter of kernel text. It knows d i u x X o p s c and %, the flags - 0 + space #, width, precision, and l ll z h.
 */
#include "kernel/string.h"

struct out {
	char *buf;
	size_t size, length;
};

static void put(struct out *o, char c)
{
	if (o->length + 1 < o->size)
		o->buf[o->length] = c;
	o->length++;
}

struct spec {
	bool left, zero, plus, space, alt;
	int width, precision;		/* precision -1: none */
};

static void pad(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
	int n = text ? (s->precision >= 0 ? (int)strnlen(text, s->precision) : (int)strlen(text)) : 6;

	text = text ? text : "(null)";
	if (!s->left)
		pad(o, ' ', s->width - n);
	for (int i = 0; i < n; i++)
		put(o, text[i]);
	if (s->left)
		pad(o, ' ', s->width - n);
}

static void put_number(struct out *o, const struct spec *s, u64 value, unsigned base, bool negative, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24], sign = negative ? '-' : s->plus ? '+' : s->space ? ' ' : 0;
	int n = 0, zeroes, total;

	do
		text[n++] = digits[value % base];
	while (value /= base);
	total = n + (sign != 0) + (s->alt && base == 16 ? 2 : 0);
	zeroes = s->precision > n ? s->precision - n : s->zero && !s->left && s->precision < 0 ? s->width - total : 0;
	if (!s->left)
		pad(o, ' ', s->width - total - max(zeroes, 0));
	if (sign)
		put(o, sign);
	if (s->alt && base == 16) {
		put(o, '0');
		put(o, 'x');
	}
	pad(o, '0', zeroes);
	for (int i = n; i-- > 0;)
		put(o, text[i]);
	if (s->left)
		pad(o, ' ', s->width - total - max(zeroes, 0));
}

static const char *parse_spec(const char *f, struct spec *s, __builtin_va_list *ap)
{
	*s = (struct spec){ .precision = -1 };
	for (;; f++) {
		if (*f == '-') s->left = true;
		else if (*f == '0') s->zero = true;
		else if (*f == '+') s->plus = true;
		else if (*f == ' ') s->space = true;
		else if (*f == '#') s->alt = true;
		else break;
	}
	if (*f == '*') {
		s->width = __builtin_va_arg(*ap, int);
		f++;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		s->width = s->width * 10 + *f - '0';
	if (*f == '.') {
		s->precision = 0;
		if (*++f == '*') {
			s->precision = __builtin_va_arg(*ap, int);
			f++;
		}
		for (; *f >= '0' && *f <= '9'; f++)
			s->precision = s->precision * 10 + *f - '0';
	}
	return f;
}

int kvsnprintf(char *buf, size_t size, const char *f, __builtin_va_list args)
{
	struct out o = { buf, size, 0 };
	__builtin_va_list ap;

	__builtin_va_copy(ap, args);
	for (; *f; f++) {
		struct spec s;
		bool wide = false;
		s64 v;

		if (*f != '%') {
			put(&o, *f);
			continue;
		}
		f = parse_spec(f + 1, &s, &ap);
		for (; *f == 'l' || *f == 'z' || *f == 'h'; f++)
			wide |= *f != 'h';
		switch (*f) {
		case 'd':
		case 'i':
			v = wide ? __builtin_va_arg(ap, s64) : __builtin_va_arg(ap, int);
			put_number(&o, &s, v < 0 ? -(u64)v : (u64)v, 10, v < 0, false);
			break;
		case 'u':
		case 'x':
		case 'X':
		case 'o': {
			u64 u = wide ? __builtin_va_arg(ap, u64) : __builtin_va_arg(ap, unsigned);
			put_number(&o, &s, u, *f == 'u' ? 10 : *f == 'o' ? 8 : 16, false, *f == 'X');
			break;
		}
		case 'p':
			s.alt = true;
			put_number(&o, &s, (u64)__builtin_va_arg(ap, void *), 16, false, false);
			break;
		case 'c':
			pad(&o, ' ', s.left ? 0 : s.width - 1);
			put(&o, (char)__builtin_va_arg(ap, int));
			pad(&o, ' ', s.left ? s.width - 1 : 0);
			break;
		case 's':
			put_string(&o, &s, __builtin_va_arg(ap, const char *));
			break;
		case '%':
			put(&o, '%');
			break;
		default:	/* a format that we do not know: shown as it is */
			put(&o, '%');
			if (!*f)
				goto out;
			put(&o, *f);
		}
	}
out:
	__builtin_va_end(ap);
	if (size)
		buf[min(o.length, size - 1)] = 0;
	return (int)o.length;
}

int ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
	__builtin_va_list ap;
	int n;

	__builtin_va_start(ap, fmt);
	n = kvsnprintf(buf, size, fmt, ap);
	__builtin_va_end(ap);
	return n;
}
