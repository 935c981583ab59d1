# Four writers that never end; the job does, and they are killed in the middle of whatever they do.
cd /root
for k in 1 2 3 4; do
	(mkdir b$k; cd b$k; n=0
	while :; do
		n=$((n+1))
		dd if=/dev/zero of=f$((n%50)) bs=3000 count=$((n%40+1)) 2>/dev/null
		[ $((n%7)) = 0 ] && rm f$((n*13%50))
		[ $((n%11)) = 0 ] && mv f$((n%50)) g$n
	done) 2>/dev/null &
done
sleep 1
exit 7
