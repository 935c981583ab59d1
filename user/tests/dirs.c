/* Directories: making, listing, renaming, removing, paths that lead through them. */
#include "t.h"

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(const char *path)
{
	DIR *d = opendir(path);
	char *names[3000];
	int n = 0;
	struct dirent *e;
	if (!d) {
		SAY("%s: %s\n", path, strerror(errno));
		return;
	}
	while ((e = readdir(d)) && n < 3000)
		names[n++] = strdup(e->d_name);
	closedir(d);
	qsort(names, n, sizeof(char *), by_name);
	SAY("%s: %d entries:", path, n);
	for (int i = 0; i < n && i < 12; i++)
		SAY(" %s", names[i]);
	SAY("\n");
	for (int i = 0; i < n; i++)
		free(names[i]);
}

int main(void)
{
	struct stat st;
	char text[PATH_MAX], name[64];
	T(mkdir("d", 0755));
	T(mkdir("d", 0755));
	T(mkdir("d/e", 0700));
	T(mkdir("x/y", 0755));
	T(mkdir("d/e/", 0755));
	T(mkdir("d/f/", 0755));
	stat("d", &st);
	SAY("mode %o links %d\n", st.st_mode, (int)st.st_nlink);
	close(open("d/file", O_CREAT | O_WRONLY, 0644));
	T(mkdir("d/file/g", 0755));
	list("d");
	T(rmdir("d"));
	T(rmdir("d/file"));
	T(unlink("d/e"));
	T(rmdir("d/e/."));
	T(rmdir("d/e/.."));
	T(rename("d/e", "d/f"));
	T(rename("d/f", "d/f/sub"));
	T(rename("d/file", "d/f"));
	T(rename("d/f", "d/file"));
	T(rename("d/f", "g"));
	list("d");
	list("g");
	stat("d", &st);
	SAY("links %d\n", (int)st.st_nlink);
	T(rmdir("g"));
	T(open("d/file/", O_RDONLY));
	T(open("d/./../d/file", O_RDONLY) >= 0);
	T(open("d//file", O_RDONLY) >= 0);
	T(chdir("d"));
	T(chdir("file"));
	SAY("cwd ends with /d: %d\n", strlen(getcwd(text, sizeof(text))) > 2 && !strcmp(text + strlen(text) - 2, "/d"));
	OK(getcwd(text, 2) ? 0 : -1);
	T(chdir(".."));
	int dfd = open("d", O_RDONLY | O_DIRECTORY);
	T(openat(dfd, "file", O_RDONLY) >= 0);
	T(mkdirat(dfd, "at", 0755));
	T(fstatat(dfd, "at", &st, 0));
	T(unlinkat(dfd, "at", 0));
	T(unlinkat(dfd, "at", AT_REMOVEDIR));
	T(unlinkat(dfd, "file", AT_REMOVEDIR));
	T(openat(99, "file", O_RDONLY));
	T(fchdir(dfd));
	T(access("file", F_OK));
	T(chdir(".."));
	T(symlink("d", "link"));
	T(open("link/file", O_RDONLY) >= 0);
	T(rmdir("link"));
	T(unlink("link"));
	/* a directory of many entries, some removed while it is read */
	T(mkdir("many", 0755));
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "many/a-name-of-some-length-%04d", i);
		close(open(name, O_CREAT | O_WRONLY, 0644));
	}
	list("many");
	for (int i = 0; i < 1000; i += 3) {
		snprintf(name, sizeof(name), "many/a-name-of-some-length-%04d", i);
		unlink(name);
	}
	list("many");
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "many/b%d", i);
		if (mkdir(name, 0755))
			SAY("mkdir %s: %s\n", name, strerror(errno));
	}
	stat("many", &st);
	SAY("links %d\n", (int)st.st_nlink);
	list("many");
	DIR *d = opendir("many");
	struct dirent *e;
	int removed = 0;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.') {
			snprintf(text, sizeof(text), "many/%.200s", e->d_name);
			removed += e->d_name[0] == 'b' ? !rmdir(text) : !unlink(text);
		}
	closedir(d);
	SAY("removed while reading: %d\n", removed);
	list("many");
	T(rmdir("many"));
	/* deleted directories */
	T(mkdir("gone", 0755));
	T(chdir("gone"));
	T(rmdir("../gone"));
	T(open("new", O_CREAT | O_WRONLY, 0644));
	T(access(".", F_OK));
	OK(getcwd(text, sizeof(text)) ? 0 : -1);
	T(chdir(".."));
	int r = T(fchdir(dfd)) | T(chdir(".."));
	T(unlink("d/file"));
	T(rmdir("d"));
	T(syscall(SYS_getdents64, open(".", O_RDONLY), text, 3));
	return r != 0;
}
