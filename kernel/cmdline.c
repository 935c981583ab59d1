/* Looking things up in the kernel command line. Later words win over earlier ones. */
#include "kernel/cmdline.h"

#include "kernel/printk.h"
#include "kernel/string.h"

char cmdline[4096];

bool cmdline_get(const char *name, char *buf, size_t size)
{
	size_t n = strlen(name);
	bool found = false;

	for (const char *p = cmdline; *p;) {
		const char *end = p;

		while (*end && *end != ' ')
			end++;
		if ((size_t)(end - p) >= n && !strncmp(p, name, n) && (p + n == end || p[n] == '=')) {
			const char *value = p + n == end ? end : p + n + 1;
			size_t length = min((size_t)(end - value), size - 1);

			memcpy(buf, value, length);
			buf[length] = 0;
			found = true;
		}
		for (p = end; *p == ' '; p++)
			;
	}
	return found;
}

static int digit(char c, u64 base)
{
	int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;

	return d < (int)base ? d : -1;
}

u64 cmdline_u64(const char *name, u64 def)
{
	char text[32], *p = text;
	u64 value = 0, base = 10;

	if (!cmdline_get(name, text, sizeof(text)))
		return def;
	if (p[0] == '0' && p[1] == 'x') {
		base = 16;
		p += 2;
	}
	if (!*p)
		goto bad;
	for (; *p; p++) {
		int d = digit(*p, base);
		if (d < 0 || value > (~0UL - d) / base)
			goto bad;
		value = value * base + d;
	}
	return value;
bad:
	printk("command line: %s=%s is not a number: ignored\n", name, text);
	return def;
}
