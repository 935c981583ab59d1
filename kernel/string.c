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
	while (n >= 8) {		/* upwards the words overlap like bytes: from the end */
		u64 word;
		n -= 8;
		__builtin_memcpy(&word, s + n, 8);
		__builtin_memcpy(d + n, &word, 8);
	}
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
	u64 v, w;

	for (; n >= 8; n -= 8, x += 8, y += 8) {	/* words: names of files are compared here */
		__builtin_memcpy(&v, x, 8);
		__builtin_memcpy(&w, y, 8);
		if (v != w)
			return __builtin_bswap64(v) < __builtin_bswap64(w) ? -1 : 1;
	}
	if (!n)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	const u64 ones = 0x0101010101010101UL, wanted = (u8)c * ones;
	const u8 *p = s;

	for (; n >= 8; n -= 8, p += 8) {		/* a byte of `word ^ wanted` that is 0 is the only one that borrows without having its top bit */
		u64 word;
		__builtin_memcpy(&word, p, 8);
		word ^= wanted;
		word = (word - ones) & ~word & ones << 7;
		if (word)
			return (void *)(p + __builtin_ctzl(word) / 8);
	}
	for (; n; n--, p++)
		if (*p == (u8)c)
			return (void *)p;
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
