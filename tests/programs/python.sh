# with: python3.11-minimal libpython3.11-minimal libpython3.11-stdlib
# Debian's python: files, processes, threads, time, sorting, generators, exceptions.
cat > t.py <<'END'
import os, sys, threading, subprocess, time, json, hashlib, tempfile, shutil, select, signal, struct, zlib, re, itertools, collections
print(sys.version_info[:2], sum(i * i for i in range(10000)), 2 ** 200, [hex(x) for x in struct.unpack("<HI", b"\1\2\3\4\5\6")])
print(json.dumps({"a": [1, 2.5, None], "b": {"c": True}}, sort_keys=True), re.findall(r"(\w)(\d+)", "a12 b3"))
with open("f", "w") as f:
    for i in range(5000): f.write(f"line {i}\n")
print(os.path.getsize("f"), hashlib.sha256(open("f", "rb").read()).hexdigest()[:16], zlib.crc32(open("f", "rb").read()))
os.makedirs("d/e/g"); open("d/e/x", "w").write("x"); os.symlink("x", "d/e/l"); print(sorted(os.walk("d"))); shutil.copytree("d", "d2", symlinks=True); print(sorted(os.listdir("d2/e")), os.readlink("d2/e/l")); shutil.rmtree("d")
print(os.copy_file_range(os.open("f", os.O_RDONLY), os.open("g", os.O_CREAT | os.O_WRONLY), 10000), os.path.getsize("g"))
r = subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True, text=True); print(r)
r = subprocess.run(["cat"], input="x" * 200000, capture_output=True, text=True); print(len(r.stdout))
try: subprocess.run(["sleep", "5"], timeout=0.3)
except subprocess.TimeoutExpired: print("timed out")
n = 0; lock = threading.Lock()
def work():
    global n
    for _ in range(1000):
        with lock: n += 1
ts = [threading.Thread(target=work) for _ in range(8)]; [t.start() for t in ts]; [t.join() for t in ts]; print(n)
e = threading.Event(); threading.Timer(0.1, e.set).start(); print(e.wait(10))
pid = os.fork()
if pid == 0: os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
signal.signal(signal.SIGUSR1, lambda s, f: print("usr1")); os.kill(os.getpid(), signal.SIGUSR1)
p = os.pipe(); os.write(p[1], b"piped"); print(select.select([p[0]], [], [], 1)[0] == [p[0]], os.read(p[0], 10))
with tempfile.TemporaryDirectory() as t: print(os.path.isdir(t))
print(time.monotonic() > 0, time.gmtime(86400)[:3], collections.Counter("mississippi").most_common(2), list(itertools.accumulate(range(6))))
m = memoryview(bytearray(10)); m[2:4] = b"ab"; print(bytes(m), sys.getrecursionlimit())
import mmap; f = open("f", "r+b"); mm = mmap.mmap(f.fileno(), 0); mm[0:4] = b"LINE"; mm.flush(); print(open("f").readline(), end=""); mm.close()
raise SystemExit(5)
END
python3.11 -I t.py 2>&1; echo $?
