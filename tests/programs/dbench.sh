# with: dbench util-linux sed grep coreutils
# Debian's dbench, a file server's operations by two processes, which fill 50 MB, which meet by System V shared memory and semaphores: it comes to its end. (It takes a
# semaphore of id 0, the first of a fresh system, for a failure, and says so.)
first=$(ipcmk -S 1 | sed 's/.*: //')
timeout 1000 dbench -c /usr/share/dbench/client.txt -t 2 -D . 2 > out 2>&1
echo "status $?"
ipcrm -s $first
grep -c '^Throughput' out
grep -E 'failed|ERROR|errno' out | head
grep -oE '^ (NTCreateX|Close|Rename|Unlink|Qpathinfo|WriteX|ReadX|Flush)' out | head -1
ls -d clients* 2> /dev/null
