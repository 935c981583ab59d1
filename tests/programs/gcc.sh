# with: gcc-12 cpp-12 libgcc-12-dev binutils-x86-64-linux-gnu binutils binutils-common make libc6 libc6-dev linux-libc-dev
# gcc builds a small program of three files by make -j2, then it runs; the second make has nothing to do.
mkdir p; cd p
cat > main.c <<'END'
#include <stdio.h>
#include "part.h"
int main(int argc, char **argv) { printf("%s: %d %s\n", argv[1], sum(10), word()); return argc; }
END
echo 'int sum(int n); const char *word(void);' > part.h
echo '#include "part.h"
int sum(int n) { int s = 0; for (int i = 1; i <= n; i++) s += i * i; return s; }' > sum.c
echo '#include "part.h"
const char *word(void) { return "linked"; }' > word.c
printf 'CC = gcc-12\nCFLAGS = -O2 -Wall\nprog: main.o sum.o word.o\n\t$(CC) -o $@ $^\n%%.o: %%.c part.h\n\t$(CC) $(CFLAGS) -c -o $@ $<\nclean:\n\trm -f prog *.o\n' > Makefile
make -j2 2>&1 | sort; ./prog hello; echo "status $?"
make; touch sum.c; make 2>&1
gcc-12 -static -o st main.c sum.c word.c && ./st static; gcc-12 -S -O1 -o - sum.c | grep -c imul; gcc-12 -E part.h | tail -1
echo 'int main(void) { return undefined(); }' > bad.c; gcc-12 -o bad bad.c > /dev/null 2>&1; echo "bad $?"
make clean; ls
