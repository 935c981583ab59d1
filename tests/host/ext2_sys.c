/* Host files for the hosted ext2 tests. */
#include <stdio.h>
#include <stdlib.h>

void *file_load(const char *variable, size_t *size);
void file_save(const char *variable, const void *data, size_t size);
void file_append(const char *variable, const char *text);
unsigned data_crc(unsigned crc, const void *data, size_t size);

static FILE *open_named(const char *variable, const char *mode)
{
	const char *path = getenv(variable);
	FILE *f = path ? fopen(path, mode) : NULL;

	if (path && !f) {
		perror(path);
		exit(1);
	}
	return f;
}

void *file_load(const char *variable, size_t *size)
{
	FILE *f = open_named(variable, "rb");
	void *data;

	if (!f) {
		printf("%s is not set\n", variable);
		exit(1);
	}
	fseek(f, 0, SEEK_END);
	*size = (size_t)ftell(f);
	rewind(f);
	data = malloc(*size ? *size : 1);
	if (fread(data, 1, *size, f) != *size)
		exit(1);
	fclose(f);
	return data;
}

void file_save(const char *variable, const void *data, size_t size)
{
	FILE *f = open_named(variable, "wb");

	if (!f)
		return;
	if (fwrite(data, 1, size, f) != size)
		exit(1);
	fclose(f);
}

void file_append(const char *variable, const char *text)
{
	FILE *f = open_named(variable, "ab");

	if (!f)
		return;
	fputs(text, f);
	fclose(f);
}

unsigned data_crc(unsigned crc, const void *data, size_t size)
{
	static unsigned table[256];
	const unsigned char *p = data;

	if (!table[1]) {
		for (unsigned i = 0; i < 256; i++) {
			unsigned c = i;
			for (int k = 0; k < 8; k++)
				c = c >> 1 ^ (c & 1 ? 0xedb88320U : 0);
			table[i] = c;
		}
	}
	crc = ~crc;
	while (size--)
		crc = table[(crc ^ *p++) & 255] ^ crc >> 8;
	return ~crc;
}
