# with: fio
# Debian's fio, each of its engines that Cowslip has the calls for: what it writes it reads back and verifies (crc32c), through the cache and directly
# (libaio: our AIO). job;error;KiB read;KiB written, and what it complains of.
cat > jobs <<'END'
[global]
directory=.
filename_format=$jobname.bin
size=1m
verify=crc32c
verify_fatal=1
verify_state_save=0
randseed=7
bs=4k
rw=randwrite
group_reporting
stonewall

[psync]
ioengine=psync
rw=write
[sync, small, fsync]
ioengine=sync
bs=1k
fsync=256
[vsync]
ioengine=vsync
rw=write
bs=8k
[pvsync2]
ioengine=pvsync2
rw=randrw
[mmap]
ioengine=mmap
[splice]
ioengine=splice
rw=write
bs=16k
[direct psync]
ioengine=psync
direct=1
rw=randrw
[direct sync]
ioengine=sync
direct=1
rw=write
bs=32k
[libaio]
ioengine=libaio
direct=1
iodepth=16
[libaio, System V shared memory]
ioengine=libaio
direct=1
rw=randrw
bs=64k
iodepth=4
mem=shm
[libaio, sectors]
ioengine=libaio
direct=1
rw=randrw
bsrange=512-32k
iodepth=8
verify_backlog=32
mem=mmapshared
[libaio, batches]
ioengine=libaio
direct=1
iodepth=8
iodepth_batch=4
iodepth_batch_complete_min=2
[libaio, buffered]
ioengine=libaio
iodepth=8
[posixaio, a thread]
ioengine=posixaio
bs=8k
iodepth=4
thread
END
fio --output-format=terse --output=log jobs > out 2>&1
echo "status $?"
grep '^3;' log | cut -d ';' -f 3,5,6,47
grep -hiE 'error|verify|fail|hung|warn' log out
rm -f *.bin
