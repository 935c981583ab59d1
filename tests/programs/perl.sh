# with: perl-base
# Debian's perl-base: text, files, directories, processes, pipes, signals, select, sockets not.
cat > t.pl <<'END'
use strict; use warnings; $| = 1;
my %h = map { $_ => $_ ** 2 } 1 .. 10;
print join(",", map { "$_=$h{$_}" } sort { $a <=> $b } keys %h), "\n";
my $text = "the quick brown fox" x 3;
(my $u = $text) =~ s/(\w+)/\u$1/g; print "$u\n"; print scalar(() = $text =~ /o/g), "\n";
open(my $f, ">", "file") or die; print $f "line $_\n" for 1 .. 3000; close $f;
open($f, "+<", "file"); seek($f, 50, 0); read($f, my $buf, 12); print "$buf|", tell($f), "|", -s $f, "\n";
truncate($f, 100); close $f; print -s "file", "\n";
mkdir "d$_" for 1 .. 5; opendir(my $d, "."); print join(" ", sort grep { !/^\.\.?$/ } readdir $d), "\n"; closedir $d; rmdir "d$_" for 1 .. 5;
symlink("file", "link"); print readlink("link"), " ", (-l "link" ? "link" : "no"), "\n"; link("file", "hard"); print((stat "file")[3], "\n");
chmod 0640, "file"; printf "%o\n", (stat "file")[2] & 07777; utime 1000000000, 1100000000, "file"; print((stat "file")[9], "\n");
print `echo backquotes; exit 3`, $? >> 8, "\n";
pipe(my $r, my $w); my $pid = fork;
if (!$pid) { close $r; print $w "from the child\n"; exit 7 }
close $w; print <$r>; waitpid($pid, 0); print $? >> 8, "\n";
$SIG{ALRM} = sub { print "alarm\n" }; alarm 1; select(undef, undef, undef, 5);
$SIG{USR1} = sub { print "usr1\n" }; kill USR1 => $$;
eval { local $SIG{ALRM} = sub { die "timeout\n" }; alarm 1; sleep 10; }; print "eval: $@";
open(my $p, "-|", "sort", "-r", "file"); my @l = <$p>; close $p; print scalar(@l), " $l[0]";
open($p, "|-", "cat"); print $p "to cat\n"; close $p;
unless (fork) { exec "false" } wait; print $? >> 8, "\n"; unless (fork) { kill 9, $$ } wait; print $? & 127, "\n";
print sprintf("%vd", "1.22.333"), " ", join(":", unpack("A2 n C", pack("A2 n C", "hi", 513, 7))), " ", crypt("x", "ab") ? "crypt" : "", "\n";
my ($rin, $n) = (""); pipe($r, $w); vec($rin, fileno($r), 1) = 1; $n = select(my $ro = $rin, undef, undef, 0.01); print "ready $n\n";
syswrite $w, "x"; $n = select($ro = $rin, undef, undef, 1); print "ready $n\n"; open(my $lock, ">", "lock"); print flock($lock, 6) ? "locked\n" : "no\n";
my @sorted = sort { $a <=> $b } map { ($_ * 7919) % 100003 } 1 .. 20000; print "$sorted[0] $sorted[-1]\n"; die "the end\n";
END
perl t.pl 2>&1; echo $?
