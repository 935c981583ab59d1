# with: stress-ng
# The stressors of stress-ng that look at what they get (--verify): a few operations each, files, memory, processes, signals.
for s in access brk chmod chown close copy-file dentry dir dup exec fallocate fcntl fifo filename flock fork fsize futex getdent handle hdd \
	itimer kill lockf lockofd madvise malloc mincore mknod mlock mprotect msync nanosleep null open pipe poll procfs \
	pthread rename revio rlimit seal seek sendfile session shm sigabrt sigchld sigfpe signal sigpending sigpipe sigq sigsegv sigsuspend sync-file \
	sysbadaddr sysinfo tsc utime vfork vm wait zero zombie; do
	timeout 1000 stress-ng --$s 1 --$s-ops 10 -t 8 --temp-path . --verify > out 2>&1 && echo "$s fine" || { echo "$s status $?"; grep fail out; }
done
