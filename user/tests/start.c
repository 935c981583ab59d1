/* What a program finds at its start: argc, argv, environment, the auxiliary vector, registers' promises, the stack. */
#include "t.h"
#include <elf.h>
#include <sys/auxv.h>

extern char **environ;

static const char *const names[] = {
	[AT_PHDR] = "PHDR", [AT_PHENT] = "PHENT", [AT_PHNUM] = "PHNUM", [AT_PAGESZ] = "PAGESZ", [AT_BASE] = "BASE", [AT_ENTRY] = "ENTRY",
	[AT_UID] = "UID", [AT_EUID] = "EUID", [AT_GID] = "GID", [AT_EGID] = "EGID", [AT_CLKTCK] = "CLKTCK", [AT_SECURE] = "SECURE",
	[AT_RANDOM] = "RANDOM", [AT_EXECFN] = "EXECFN", [AT_PLATFORM] = "PLATFORM",
};

static int show_start(int argc, char **argv)
{
	SAY("argc %d, aligned %d, end %d\n", argc, (int)((uintptr_t)argv & 7), argv[argc] == NULL);
	for (int i = 0; i < argc; i++)
		if (strlen(argv[i]) < 100)
			SAY("argv %d: <%s>\n", i, argv[i]);
		else
			SAY("argv %d: %zu bytes\n", i, strlen(argv[i]));
	for (char **e = environ; *e; e++)
		SAY("env <%s>\n", *e);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i]) {
			errno = 0;
			unsigned long v = getauxval(i);
			int there = !errno;
			SAY("%s %s\n", names[i], there ? "there" : "missing");
			if (i == AT_PAGESZ || i == AT_PHENT || i == AT_CLKTCK || i == AT_SECURE)
				SAY("  = %lu\n", v);
			if (i == AT_PLATFORM || (i == AT_EXECFN && strlen((char *)v) < 100))
				SAY("  = %s\n", (char *)v);
		}
	const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
	int loads = 0;
	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
		loads += ph[i].p_type == PT_LOAD;
	SAY("program headers are readable: %d\n", loads > 0);
	unsigned char *r = (unsigned char *)getauxval(AT_RANDOM), any = 0;
	for (int i = 0; i < 16; i++)
		any |= r[i];
	SAY("random bytes: %d\n", any != 0);
	return argc == 1 ? 0 : 42;
}

static void run(const char *text, char **argv, char **envp)
{
	CHILD(text, execve("/proc/self/exe", argv, envp); SAY("execve: %s\n", strerror(errno)); _exit(1));
}

int main(int argc, char **argv)
{
	if (argc == 0 || strcmp(argv[0], "first") == 0 || getenv("AGAIN"))
		return show_start(argc, argv);
	run("arguments", (char *[]){ "first", "two words", "", "a\nb\t\"c\" 'd' \\ \xff", NULL }, (char *[]){ "A=1", "EMPTY=", "NOEQUALS", NULL });
	run("no environment", (char *[]){ "first", NULL }, (char *[]){ NULL });
	run("NULL environment", (char *[]){ "first", NULL }, NULL);

	/* Limits: one string of 128 KiB is too long, less is not; many are, in sum, a quarter of the stack. */
	static char big[140000];
	memset(big, 'x', sizeof(big) - 1);
	run("too long a string", (char *[]){ "first", big, NULL }, NULL);
	big[131071] = 0;
	run("the longest string", (char *[]){ "first", big, NULL }, NULL);
	big[100000] = 0;
	static char *many[100];
	many[0] = "first";
	for (int i = 1; i < 99; i++)
		many[i] = big;
	run("too many strings", many, NULL);
	many[10] = NULL;
	run("a megabyte", many, NULL);

	/* Scripts: the interpreter gets its optional argument, the script's name, then ours. */
	char path[] = "start-script";
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	dprintf(fd, "#! /proc/self/exe  one argument \nrest\n");
	close(fd);
	clearenv();
	setenv("AGAIN", "1", 1);
	CHILD("script", execv("./start-script", (char *[]){ "name", "x", NULL }); SAY("%s\n", strerror(errno)));
	fd = open(path, O_WRONLY | O_TRUNC);
	dprintf(fd, "#!/nosuch\n");
	close(fd);
	CHILD("no interpreter", T(execv("./start-script", (char *[]){ "name", NULL })));
	fd = open(path, O_WRONLY | O_TRUNC);
	dprintf(fd, "#!./start-script\n");
	close(fd);
	CHILD("a script that is its own interpreter", T(execv("./start-script", (char *[]){ "name", NULL })));
	chmod(path, 0644);
	CHILD("not executable", T(execv("./start-script", (char *[]){ "name", NULL })));
	unlink(path);
	CHILD("missing", T(execv("./start-script", (char *[]){ "name", NULL })));
	CHILD("directory", T(execv("/", (char *[]){ "name", NULL })));
	return 0;
}
