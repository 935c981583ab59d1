# with: tcc libc6 libc6-dev linux-libc-dev
# Debian's tcc compiles a program that then runs: in memory, dynamic, static, and from two objects.
cat > prog.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>
int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static int cmp(const void *a, const void *b) { return *(int *)a - *(int *)b; }
int main(int argc, char **argv)
{
	int v[100], status;
	for (int i = 0; i < 100; i++) v[i] = i * 7919 % 101;
	qsort(v, 100, sizeof(int), cmp);
	printf("%d args, fib %d, sorted %d %d, %.3f\n", argc, fib(20), v[0], v[99], 1.0 / 3);
	fflush(stdout);
	if (!fork()) { execl("/bin/echo", "echo", "by exec", (char *)0); _exit(1); }
	wait(&status);
	char *s = malloc(1 << 20); memset(s, 'x', 1 << 20); printf("%d %c\n", WEXITSTATUS(status), s[12345]); free(s);
	return 3;
}
END
tcc -run prog.c a b; echo "run $?"
tcc -o prog prog.c && ./prog x; echo "dynamic $?"
tcc -static -o prog_static prog.c && ./prog_static; echo "static $?"
echo 'int answer(void) { return 42; }' > a.c; echo 'int answer(void); int main(void) { return answer(); }' > b.c
tcc -c a.c && tcc -c b.c && tcc -o ab a.o b.o && ./ab; echo "two objects $?"
echo 'int main(void) { return 1 +; }' > bad.c; tcc -o bad bad.c 2>&1; echo "bad $?"
