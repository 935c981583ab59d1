# with: util-linux perl-base mawk sed grep coreutils
# Debian's ipcmk, ipcs and ipcrm, and perl's own calls: segments and semaphores made, listed, attached and removed.
shm=$(ipcmk -M 10000 -p 0640 | sed 's/.*: //') sem=$(ipcmk -S 3 -p 0600 | sed 's/.*: //')
ipcs -m -i $shm | sed -E 's/(shmid|id)=[0-9]+//; s/(atime|dtime|ctime|.time)=.*//; s/pid=[0-9]+/pid/g'
ipcs -s -i $sem | sed -E 's/semid=[0-9]+//; s/time ?=.*//; s/pid=[0-9]+/pid/g; s/0x[0-9a-f]*/key/' | tr -s ' '
ipcs -m | awk -v id=$shm '$2 "" == id { print $3, $4, $5, $6 }'
ipcs -s | awk -v id=$sem '$2 "" == id { print $3, $4, $5 }'
ipcs -m -p | awk -v id=$shm '$1 "" == id { print $2, $4 }'
ipcs -m -t | awk -v id=$shm '$1 "" == id { print $2, $3, $4 }'
ipcs -l -m; ipcs -l -s
grep -c " $shm " /proc/sysvipc/shm; grep -c " $sem " /proc/sysvipc/sem
perl -e '
	my ($shm, $sem) = @ARGV;
	shmwrite($shm, "hello from perl", 100, 15) or die "shmwrite $!";
	if (!fork) { shmread($shm, my $b, 100, 10) or die; print "$b\n"; semop($sem, pack("s3", 1, 2, 0)) or die; exit }
	semop($sem, pack("s3s3", 1, -2, 0, 0, 0, 0)) or die "semop $!"; wait;
	semctl($sem, 2, 16, 9) or die; print "value ", semctl($sem, 2, 12, 0), " by us ", semctl($sem, 2, 11, 0) == $$ ? 1 : 0, "\n";
	print "all ", join(",", unpack("s*", do { semctl($sem, 0, 13, my $all = ""); $all })), "\n";
' $shm $sem
ipcrm -m $shm && echo removed; ipcrm -s $sem && echo removed; ipcrm -m $shm 2>&1 | sed 's/[0-9]\+//'
ipcs -m | grep -c " $shm "; ipcs -s | grep -c " $sem "
echo done
