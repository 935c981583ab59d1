/* Who may do what: user and group numbers, permission bits, the sticky bit. Needs root on the host, else says nothing. */
#include "t.h"
#include <grp.h>
#include <sys/mount.h>

static void become(int uid, int gid)
{
	setgroups(0, NULL);
	setgid(gid);
	setuid(uid);
}

int main(void)
{
	struct stat st;
	if (geteuid()) {
		SAY("not root\n");
		return 0;
	}
	umask(022);
	chmod(".", 0755);
	T(mkdir("d", 0755));
	T(mkdir("open", 0777));
	T(chmod("open", 01777));
	close(open("secret", O_CREAT | O_WRONLY, 0600));
	close(open("group", O_CREAT | O_WRONLY, 0640));
	close(open("d/file", O_CREAT | O_WRONLY, 0666));
	close(open("open/roots", O_CREAT | O_WRONLY, 0666));
	T(chown("group", 0, 500));
	stat("group", &st);
	SAY("owner %d group %d\n", (int)st.st_uid, (int)st.st_gid);
	T(access("secret", X_OK));
	T(chown("missing", 1, 1));
	T(chmod("missing", 0700));
	close(open("suid", O_CREAT | O_WRONLY, 0755));
	T(chmod("suid", 06755));
	stat("suid", &st);
	SAY("mode %o\n", st.st_mode);
	T(chown("suid", 7, 7));
	stat("suid", &st);
	SAY("after chown %o\n", st.st_mode);
	CHILD("as 1000", become(1000, 1000);
		SAY("ids %d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
		T(open("secret", O_RDONLY)); T(open("group", O_RDONLY)); T(open("d/new", O_CREAT | O_WRONLY, 0644));
		T(unlink("d/file")); T(open("d/file", O_RDWR) >= 0 || 1); T(rename("d/file", "open/x")); T(mkdir("d/e", 0755));
		T(open("open/mine", O_CREAT | O_WRONLY, 0600) >= 0); T(unlink("open/roots")); T(rename("open/roots", "open/r2"));
		T(chmod("secret", 0666)); T(chown("open/mine", 0, 0)); T(chmod("open/mine", 0640)); T(setuid(0)); T(setgid(0));
		T(seteuid(1000)); T(chown("open/mine", -1, 1000)); T(truncate("secret", 0)); T(link("secret", "open/l"));
		T(access("secret", R_OK)); T(access("secret", F_OK)); T(utimensat(AT_FDCWD, "secret", NULL, 0)); T(kill(getppid(), 0));
		T(chroot(".")); T(setgroups(0, NULL)); T(mount("none", "d", "tmpfs", 0, NULL)); T(sethostname("x", 1)); T(setpriority(PRIO_PROCESS, 0, -5)));
	CHILD("in group 500", setgroups(1, &(gid_t){ 500 }); setgid(1000); setuid(1000);
		T(open("group", O_RDONLY) >= 0); T(open("group", O_RDWR)));
	CHILD("effective only", T(setegid(1000)); T(seteuid(1000)); T(open("secret", O_RDONLY)); T(access("secret", R_OK)); T(seteuid(0)); T(open("secret", O_RDONLY) >= 0));
	CHILD("three ids", uid_t r, e, s; T(setresuid(1, 2, 3)); getresuid(&r, &e, &s); SAY("%d %d %d\n", r, e, s); T(setresuid(-1, 4, -1)); T(setresuid(2, 1, 3));
		T(setreuid(3, 1)); getresuid(&r, &e, &s); SAY("%d %d %d\n", r, e, s));
	T(chmod("d", 0600));
	CHILD("no search", become(1000, 1000); T(stat("d/file", &st)); T(open("d", O_RDONLY)));
	T(chmod("d", 0711));
	CHILD("search only", become(1000, 1000); T(stat("d/file", &st)); T(open("d", O_RDONLY)); T(chdir("d")));
	return 0;
}
