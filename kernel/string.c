/* Memory and string functions, plain; long copies and fills by the string instructions. */
#include "kernel/string.h"

void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;
	size_t words = n >> 3, bytes = n & 7;

	__asm__ volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(words) :: "memory");
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(bytes) :: "memory");
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	char *d = dst;
	const char *s = src;

	if (d <= s || d >= s + n)
		return memcpy(dst, src, n);
	while (n--)
		d[n] = s[n];
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;
	size_t words = n >> 3, bytes = n & 7;
	u64 pattern = (u8)c * 0x0101010101010101UL;

	__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(bytes) : "a"(pattern) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	const u8 *p = s;

	for (size_t i = 0; i < n; i++)
		if (p[i] == (u8)c)
			return (void *)(p + i);
	return NULL;
}

size_t strnlen(const char *s, size_t max_length)
{
	size_t n = 0;

	while (n < max_length && s[n])
		n++;
	return n;
}

size_t strlen(const char *s) { return strnlen(s, ~0UL); }

int strncmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i] || !a[i])
			return (u8)a[i] - (u8)b[i];
	return 0;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, ~0UL); }

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	char *found = NULL;

	for (;; s++) {
		if (*s == (char)c)
			found = (char *)s;
		if (!*s)
			return found;
	}
}

size_t str_copy(char *dst, const char *src, size_t size)
{
	size_t n = strlen(src);

	if (size) {
		size_t keep = min(n, size - 1);
		memcpy(dst, src, keep);
		dst[keep] = 0;
	}
	return n;
}
