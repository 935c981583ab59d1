# The shell itself: expansions, quoting, loops, functions, redirections, here documents, exit statuses, traps.
echo $((7 * 6)) $((0x10 + 010)) "${x:-default}" ${#HOME}
x=abc.tar.gz; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.}
for i in 1 2 3; do echo -n "$i "; done; echo
i=0; while [ $i -lt 5 ]; do i=$((i + 1)); [ $i = 3 ] && continue; echo loop $i; done
case foo.c in *.h) echo header;; *.c) echo source;; esac
f() { local v=inner; echo "f $# $1 $v"; return 3; }
f "a b" c; echo status $?
cat <<EOF >here
home is $HOME and sum is $((1+1))
EOF
cat here; cat <<'EOF' | tr a-z A-Z
quoted $HOME
EOF
(exit 5); echo subshell $?
false || echo or; true && echo and; ! true; echo not $?
sh -c 'kill -TERM $$'; echo killed $?
sh -c 'exit 300'; echo wrapped $?
nosuchcommand 2>/dev/null; echo missing $?
./here 2>/dev/null; echo noexec $?
echo out; echo err >&2 2>/dev/null
{ echo one; echo two >&2; } 2>both 1>&2; cat both
trap 'echo trapped' USR1; kill -USR1 $$; echo after
trap 'echo bye' EXIT
sleep 0 & wait $!; echo waited $?
(sleep 1; exit 9) & wait $!; echo bg $?
read a b <<EOF
first second third
EOF
echo "$a|$b"
set -- x y z; shift; echo $# $1; echo "$@" | wc -w
echo *.c [a-h]ere; ls -d /de? 2>&1
printf '%s %5d %-5s| %x %o\n' str 42 left 255 8
eval 'y=$x'; echo $y; unset y; echo "${y-unset}"
exec 3>third; echo via3 >&3; exec 3>&-; cat third
echo `echo back; echo ticks` $(echo a; exit 4) $?
umask 027; touch m; ls -l m | cut -c1-10; umask
test -f m && test ! -d m && test -s here && echo tests
