# with: coreutils stress-ng
# O_DIRECT by GNU dd and stress-ng, which check what they read.
head -c 300000 /proc/self/exe > old; seq 1 50000 | head -c 262144 > a
dd if=a of=b iflag=direct oflag=direct bs=4k 2> /dev/null && cmp a b && echo direct both
dd if=a of=c oflag=direct bs=64k conv=fsync 2> /dev/null && cmp a c && echo direct out
dd if=a of=c oflag=direct bs=4k seek=3 count=2 conv=notrunc 2> /dev/null; dd if=c iflag=direct bs=4k 2> /dev/null | md5sum
dd if=old iflag=direct bs=128k 2> /dev/null | cmp - old && echo the last part of a sector
dd if=a of=d oflag=direct,append bs=4k count=3 conv=notrunc 2> /dev/null; dd if=a of=d oflag=direct,append bs=4k count=2 conv=notrunc 2> /dev/null; stat -c %s d; md5sum < d
timeout 1000 stress-ng --hdd 1 --hdd-ops 200 --hdd-bytes 1M --hdd-opts direct,wr-rnd,rd-rnd -t 20 --temp-path . --verify > out 2>&1 && echo hdd fine || { echo "hdd status $?"; grep fail out; }
timeout 1000 stress-ng --vm-rw 1 --vm-rw-ops 20 --vm-rw-bytes 1M -t 20 --temp-path . --verify > out 2>&1 && echo vm-rw fine || { echo "vm-rw status $?"; grep fail out; }
