# cp, mv, ln, rm, find, ls, stat, du, touch, chmod, dd, truncate, sparse files, tar and gzip round trips.
mkdir -p a/b/c a/d; echo one >a/1; echo two >a/b/2; seq 1 2000 >a/b/c/numbers; ln -s ../1 a/d/link; ln a/1 a/hard
find a | sort; find a -type f -name '[0-9]*' | sort; find a -type l; find a -size +4k
cp -r a copy; diff -r a copy && echo equal; cp -a a exact; readlink exact/d/link
mv copy/b moved; ls moved copy; rm -r moved; ls moved 2>&1
stat -c '%F %h %s %a' a/1 a/d a/d/link; chmod 640 a/1; stat -c %a a/1 a/hard; chmod u+x,o=r a/1; stat -c %a a/1
dd if=/dev/zero of=sparse bs=1k seek=300 count=1 2>/dev/null; wc -c sparse; md5sum sparse; od -A d sparse | tail -2
dd if=a/b/c/numbers bs=7 skip=3 count=5 2>/dev/null | od -c
truncate -s 5000 t; wc -c t; truncate -s 10 t; wc -c t; echo tail >>t; od -c t
tar cf x.tar a; tar tf x.tar | sort; mkdir out; tar xf x.tar -C out; diff -r a out/a && echo untarred
gzip -c x.tar >x.gz; gunzip -c x.gz | cmp - x.tar && echo gzipped; tar czf y.tgz a; tar xzf y.tgz -O a/b/2
touch -d '2020-02-03 04:05:06' old; find . -name old -mtime +100; test a/1 -nt old && echo newer; date -u -r old +%s
rmdir a 2>&1; mkdir a/b 2>&1; cat nosuch 2>&1; ln -s loop loop; cat loop 2>&1
echo data >f; (echo more; cat f) >g; cat g; cat <f >>f2; mv -f f g; cat g; ls f 2>&1
head -c 100000 /dev/zero | tr '\0' x >big; wc -c big; cp big big2; cmp big big2; sort big | wc -l
mkfifo p; cat p & echo through >p; wait; ls -l p | cut -c1; rm p
ls -1 | head -5; basename /a/b.c .c; dirname /a/b.c; realpath a/../a/1 | sed 's/.*\/a/a/'
mktemp -d tmp.XXXXXX | cut -c1-4; pwd | sed 's/.*\///' >/dev/null; cd a/d && cat link && cd - >/dev/null; ls a
