# with: dash
# Debian's dash, dynamic: what a shell script needs.
dash -c '
echo $0 $((3 * 4)); set -- a b c; echo $# $@; shift; echo $1
for i in 1 2 3; do echo $i; done | sort -r | tr "\n" " "; echo
cat <<END
$(echo substituted) $((1+1))
END
(exit 3); echo $?
sleep 0.1 & wait $!; echo waited $?
trap "echo term" TERM; kill -TERM $$; trap "echo bye" EXIT
f() { echo in f $1; return 5; }; f x; echo $?
case abc in a*) echo starts with a;; esac
x=path/to/file.c; echo ${x##*/} ${x%.*} ${#x}
echo one > f1; { cat; echo two; } < f1 > f2; cat f2; rm f1 f2; ls
read a b <<END
first second third
END
echo "$a|$b"
kill -9 $$ 2>/dev/null & wait; '
echo "status $?"
dash -c 'exec 3>out; echo to three >&3; exec 3>&-; cat out; ulimit -n >/dev/null && echo limits; times > /dev/null && echo times; command -v cat > /dev/null && echo found'
