# Everything that programs do to files, on the root file system; the suite judges the image afterwards by e2fsck, and by the sums.
set -e
cd /root
mkdir w; cd w
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do mkdir d$i; for j in 1 2 3 4 5 6 7 8 9 10; do echo "file $i $j" > d$i/f$j; done; done
cp /bin/busybox bb; cmp bb /bin/busybox
tar cf t.tar d1 d2 d3 bb; mkdir x; tar xf t.tar -C x; diff -r d1 x/d1; cmp bb x/bb
gzip t.tar; gunzip -c t.tar.gz | tar tf - | wc -l
dd if=/dev/zero of=sparse bs=1k seek=70000 count=3 2>/dev/null
dd if=/dev/urandom of=rnd bs=1k count=5000 2>/dev/null; cp rnd rnd2; cmp rnd rnd2; rm rnd
truncate -s 1234567 rnd2; truncate -s 2345678 rnd2; wc -c < rnd2
ln bb hard; ln -s bb soft; ln -s $(printf 'long%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20) softlong; readlink softlong | wc -c
mv d1/f1 d2/moved; mv d3 d4/; mv -f bb hard2; rm -r d5 d6; mkfifo ff; mknod nn c 1 3; echo test > nn
ls -R | wc -l
chmod 751 d7; chown 1000:70000 d7/f1; touch -d '2001-02-03 04:05:06' d7/f2; stat -c '%a %u %g %Y %h %s' d7 d7/f1 d7/f2 hard | awk '{print NF}'
find . -type f | sort | xargs md5sum | wc -l
(exec 3> open-unlinked; rm open-unlinked; echo data >&3; dd if=/dev/zero bs=1k count=100 >&3 2>/dev/null)
for i in $(seq 1 300); do echo $i > many$i; done; rm many*5; ls many* | wc -l
dd if=/dev/zero of=fill bs=64k 2>/dev/null || echo full; ls -l fill | awk '{print ($5 > 10000000)}'; rm fill
cd /root; find w -type f | sort | xargs md5sum > sums; find w | sort > names
sync
echo ok
