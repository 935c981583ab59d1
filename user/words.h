/*
 * Comparing and filling of whole pages for programs that do hardly anything else. libc's memcmp goes byte by byte, and an emulator pays for each
 * instruction: here it is eight words at a time. All sizes are multiples of 64.
 */
#pragma once

typedef unsigned long word __attribute__((may_alias));
typedef word anywhere __attribute__((aligned(1)));	/* in memory */
#define WORD(letter) ((word)(letter) * 0x0101010101010101UL)

/* Is every word of them w. */
static inline int uniform(const char *data, long n, word w)
{
	for (const anywhere *at = (const anywhere *)data, *end = at + n / 8; at < end; at += 8)
		if ((at[0] ^ w) | (at[1] ^ w) | (at[2] ^ w) | (at[3] ^ w) | (at[4] ^ w) | (at[5] ^ w) | (at[6] ^ w) | (at[7] ^ w))
			return 0;
	return 1;
}

static inline int equal(const char *first, const char *second, long n)
{
	const anywhere *at = (const anywhere *)first, *with = (const anywhere *)second, *end = at + n / 8;
	word other = 0;

	for (; at < end; at += 8, with += 8)
		other |= (at[0] ^ with[0]) | (at[1] ^ with[1]) | (at[2] ^ with[2]) | (at[3] ^ with[3]) |
			 (at[4] ^ with[4]) | (at[5] ^ with[5]) | (at[6] ^ with[6]) | (at[7] ^ with[7]);
	return !other;
}

static inline void fill(char *data, long n, char letter)
{
	word w = WORD(letter);

	for (volatile anywhere *at = (anywhere *)data, *end = at + n / 8; at < end; at += 8) {
		at[0] = at[1] = at[2] = at[3] = w;
		at[4] = at[5] = at[6] = at[7] = w;
	}
}
