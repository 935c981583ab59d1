# grep, sed, awk, sort, uniq, cut, tr, wc, od, head, tail, paste, xargs, comm, diff, printf, bc-like arithmetic; pipelines.
seq 1 500 >n; awk '{s += $1; if ($1 % 7 == 0) c++} END {print s, c}' n
grep -c 1 n; grep -n '^4[0-9]$' n | head -3; grep -v '[0-8]' n; echo foo.bar | grep -o '[a-z]*$'; grep -r 100 . | sort
sed -n '5,7p;10q' n; echo 'a/b/c' | sed 's/\//-/g'; sed '1~50!d' n | head -4; printf 'x\ny\nz\n' | sed '2i\inserted' | sed '$d'
sort -rn n | head -3; printf 'b 2\na 10\na 9\n' | sort -k1,1 -k2n; printf 'a\na\nb\na\n' | uniq -c | sed 's/^ *//'
cut -d: -f1,3 <<EOF
root:x:0:0
nobody:y:9:9
EOF
echo hello | tr 'a-y' 'b-z'; echo aabbcc | tr -s abc; echo 'a1b2' | tr -d 0-9; wc n; tail -n 2 n; tail -c 5 n; head -n -498 n
od -An -tx1 -N8 n; hexdump -C n | head -2; echo abc | rev; seq 3 | tac; seq 4 | paste -s -d+ ; seq 6 | xargs -n 2 echo pair
printf '1\n2\n3\n' >l; printf '2\n3\n4\n' >r; comm l r 2>/dev/null; diff l r; cmp l r 2>&1; diff -u l r | tail -n +3
awk 'BEGIN { for (i = 0; i < 3; i++) printf "%d:%s ", i, substr("abcdef", i + 1, 2); print length("hello"), toupper("x"), 2 ^ 10, int(7 / 2) }'
awk -F: '{ count[$2]++ } END { for (k in count) print k, count[k] | "sort" }' <<EOF
a:x
b:y
c:x
EOF
yes | head -n 3; seq 1 100000 | tail -1; seq 1 20000 | grep 9 | wc -l; cat n n n | sort -n | uniq | wc -l; seq 1 3000 | md5sum
echo 'one two three' | while read a b; do echo "$b $a"; done; expr 6 \* 7; expr abc : 'a\(.*\)'; fold -w 10 n | head -1; nl l; seq 5 | sed -n '$='
find . -type f | sort | xargs wc -l | tail -1; ls | xargs -I{} echo file {} | sort; dd if=/dev/zero bs=1000 count=70 2>/dev/null | md5sum
for i in 1 2 3 4 5 6 7 8; do seq $i 1000 | sort -R | sort -n | head -1; done; (seq 1 1000; seq 1 1000) | awk '!seen[$0]++' | wc -l
printf 'a\tb\n' | expand | od -c | head -1; echo 'x=1;y=2' | cut -d';' -f2; strings -n 4 n | head -1; cksum l; sha256sum r; base64 l; crc32 l 2>/dev/null
