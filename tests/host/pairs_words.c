/* Two operations at the same time (pairs.c): which words may be seen in the file and in B, of which two, and when. */
#include "pairs.h"

bool is(int i, const char *name) { return !strcmp(op[i]->name, name); }
bool either(const char *name) { return is(0, name) || is(1, name); }
bool truncates(void) { return either("truncate"); }
bool shaken(void) { return op[0]->shakes_b || op[1]->shakes_b; }

static bool touches(int i, u64 at) { return op[i]->letter >= 0 && at >= op[i]->from && at < op[i]->to; }

/* A copy may be half done when another one comes in between, at any byte. */
static bool consists_of(u64 w, const u64 *words, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (w == words[i])
			return true;
	for (unsigned byte = 0; byte < 64; byte += 8) {
		unsigned i = 0;
		while (i < n && (words[i] ^ w) >> byte & 255)
			i++;
		if (i == n)
			return false;
	}
	return true;
}

/* What the word at `at` of F may be, for who began to look when those of `before` had ended. */
static unsigned possible_words(u64 at, unsigned before, u64 *words)
{
	bool first = touches(0, at), second = touches(1, at);
	unsigned n = 0;

	if (first)
		words[n++] = WORD(op[0]->letter);
	if (second)
		words[n++] = WORD(op[1]->letter);
	if (!(before & 1 && first) && !(before & 2 && second))
		words[n++] = WORD('o');
	return n;
}
bool possible(u64 at, u64 w, unsigned before)
{
	u64 words[3];

	return consists_of(w, words, possible_words(at, before, words));
}

void check_f(const u8 *data, u64 from, u64 n, unsigned before, const char *where)
{
	each_word(i, n)
		if (!possible(from + i, word_at(data, i), before))
			fail("%s: byte %lu of the file is %02x", where, (unsigned long)(from + i), data[i]);
}

/* B: what the file may hold there, or (unless it must have been read) what B held. */
bool possible_in_b(u64 at, u64 w, bool must, unsigned before)
{
	u64 words[5];
	unsigned n = possible_words(B_AT + at, before, words);

	if (!must)
		words[n++] = b_first;
	if (either("dontneed"))
		words[n++] = 0;
	return consists_of(w, words, n);
}
void check_b(const u8 *data, u64 n, bool must, unsigned before, const char *where)
{
	each_word(i, n)
		if (!possible_in_b(i, word_at(data, i), must, before))
			fail("%s: byte %lu of the buffer is %02x", where, (unsigned long)i, data[i]);
}

void check_letter(const u8 *data, u64 n, u64 want, const char *where)
{
	each_word(i, n)
		if (word_at(data, i) != want)
			fail("%s: byte %lu is %02x, not %02x", where, (unsigned long)i, data[i], (unsigned)(want & 255));
}
