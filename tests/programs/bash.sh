# with: bash-static
# Debian's static bash: arithmetic, arrays, pipes, here-documents, jobs, traps, process substitution, limits.
bash-static --norc -c '
set -u
echo $((6 * 7)) $((1 << 40)) ${BASH_VERSION%%.*}
a=(one two three); a[5]=six; echo "${a[@]}" "${#a[@]}" "${!a[@]}"
declare -A h=([x]=1 [y]=2); echo ${h[x]} ${h[y]}
for i in {1..5}; do echo $i; done | while read n; do printf "%03d " $n; done; echo
cat <<END
here $((2 + 3)) $(echo nested $(echo deeper))
END
cat <<< "a here string"
cat <(echo a) <(echo b); tee >(cat > viatee) < <(echo tee) > /dev/null; until [ -s viatee ]; do sleep 0.1; done; wait
trap "echo got USR1" USR1; kill -USR1 $$; echo after
sleep 0.2 & wait $!; echo "slept $?"
(exit 42); echo $?
false | true | false; echo "${PIPESTATUS[@]}"
set -o pipefail; false | true; echo $?
x=$(printf "a b\nc"); echo "$x"
echo text > file; echo more >> file; cat < file; exec 5<> file; read -u 5 line; echo "read $line"; exec 5>&-
[[ abc =~ ^a(.)c$ ]] && echo "match ${BASH_REMATCH[1]}"
printf "%s\n" *; mkdir d; cd d; pwd | sed "s,.*/,,"; cd ..
ulimit -n 100; ulimit -n; bash-static -c "ulimit -n"
kill -TERM $BASHPID & wait $!; echo "killed $?"
umask 027; umask; test -r file -a ! -x file && echo readable
set -m; sleep 5 & kill %1; wait %1; echo "job $?"; set +m
coproc cat; echo through >&${COPROC[1]}; read -u ${COPROC[0]} r; echo $r; eval "exec ${COPROC[1]}>&-"; wait
f() { local v=local; echo $v $1 $#; return 7; }; f x y; echo $?
mapfile -t lines < file; echo ${#lines[@]}
trap "echo bye" EXIT
timeout 1000 bash-static -c "echo in time"
'
