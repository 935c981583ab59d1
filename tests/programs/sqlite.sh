# with: sqlite3
# Debian's sqlite3 in both journal modes, two processes at one database, a writer that is killed.
run() {
	mode=$1
	sqlite3 $mode.db "pragma journal_mode=$mode; create table t(a integer primary key, b text, c real);
		with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) insert into t select i, 'row ' || i, i / 7.0 from n;
		create index tb on t(b); select count(*), sum(a), round(sum(c), 3), max(b) from t;"
	sqlite3 $mode.db "begin; update t set b = b || '!' where a % 3 = 0; delete from t where a > 1500; rollback; select count(*) from t where b like '%!';"
	sqlite3 $mode.db "begin immediate; update t set b = upper(b) where a < 10; commit; select group_concat(b) from t where a < 12;"
	for i in 1 2 3 4; do
		sqlite3 $mode.db ".timeout 1000000" "insert into t(b) values('from $i'); insert into t(b) values('again $i');" &
	done
	wait
	sqlite3 $mode.db "select b from t where a > 2000 order by b; pragma integrity_check; vacuum; pragma journal_mode;"
	mkfifo hold; exec 3<> hold
	sqlite3 $mode.db < hold & pid=$!
	printf 'begin exclusive;\ndelete from t;\n.shell touch locked\n' >&3
	until test -e locked; do sleep 0.1; done
	sqlite3 $mode.db "insert into t(b) values('locked out')" 2>&1
	kill -9 $pid; wait $pid 2> /dev/null; exec 3>&-; rm hold locked
	sqlite3 $mode.db "select count(*) from t; pragma integrity_check" | tail -1
	ls
}
run delete
run wal
sqlite3 :memory: "select sum(value), count(*) from json_each('[1,2,3,4]'); select printf('%05d', 42), hex(zeroblob(3)), strftime('%Y', 0, 'unixepoch');"
