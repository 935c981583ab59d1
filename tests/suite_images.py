"""What ./cowslip promises of the root file system of a run (docs/running.md): what goes in and comes out, sizes; damaged images, programs and kernel words."""
import hashlib
import os
import random

from suite_runner import ended, run, sh
from testlib import build_kernel, check, collected, equal, guest, must, scratch

HOST = False
TESTS, test = collected()


def prepare():
    build_kernel()


def tests():
    return TESTS


@test
def root_and_put():
    with scratch() as d:
        os.makedirs(f"{d}/root/etc")
        with open(f"{d}/root/etc/hostname", "w") as file:
            file.write("merged\n")
        with open(f"{d}/prog", "w") as file:
            file.write("#!/bin/sh\necho from prog: $*\nexit 6\n")
        os.chmod(f"{d}/prog", 0o750)
        status, out, err = sh("cat /etc/hostname; ls /etc/passwd; stat -c '%a %u %g' /opt/a/prog; /opt/a/prog 1 2",
                              "--root", f"{d}/root", "--put", f"{d}/prog:/opt/a/prog")
        equal((status, out, err), (6, b"merged\n/etc/passwd\n750 0 0\nfrom prog: 1 2\n", b""), "job")


@test
def get_is_clean():
    """The image after writes, also of a job that fails, is killed, or leaves children writing."""
    write = "mkdir /d; cp -r /bin/busybox /etc /d; dd if=/dev/zero of=/d/big bs=64k count=40 2>/dev/null; rm -r /d/etc; echo text >/d/t; "
    for tail, status in (("exit 3", 3), ("kill -9 $$", 137),
                         ("(while :; do echo x >>/d/log; cat /d/big >/d/copy; rm /d/copy; done) & sleep 1; exit 4", 4)):
        with scratch() as d:
            image = f"{d}/image"
            equal(sh(write + tail, "--get", f"/dev/ram0:{image}")[0], status, tail)
            must(["e2fsck", "-fn", image])
            equal(must(["debugfs", "-R", "cat /d/t", image]), b"text\n", tail)
            must(["debugfs", "-R", f"dump /d/busybox {d}/busybox", image])
            equal(hashlib.md5(open(f"{d}/busybox", "rb").read()).hexdigest(),
                  hashlib.md5(open(must(["sh", "-c", "command -v busybox"]).decode().strip(), "rb").read()).hexdigest(), "busybox")


@test
def get_files():
    """--get of files and directories: contents, modes, links; what is not there is an error of the runner."""
    with scratch() as d:
        script = "cd; echo hi >a; chmod 751 a; mkdir -p d/e; echo x >d/e/f; ln -s f d/e/g; ln -s d/e/f l; echo q >'sp ace'; exit 3"
        os.mkdir(d + "/there")
        result = sh(script, "--get", f"/root/a:{d}/a", "--get", f"/root/d:{d}/d", "--get", f"/root/l:{d}/there", "--get", f"/root/sp ace:{d}/s")
        ended(result, 3, what="--get")
        for name, text in (("a", "hi\n"), ("d/e/f", "x\n"), ("d/e/g", "x\n"), ("there/l", "x\n"), ("s", "q\n")):
            with open(os.path.join(d, name)) as file:
                equal(file.read(), text, name)
        equal((os.stat(d + "/a").st_mode & 0o7777, os.readlink(d + "/d/e/g")), (0o751, "f"), "mode, link")
        status, _, err = run("--get", f"/root/nothing:{d}/n", "--", "true")
        check(status == 125 and b"/root/nothing" in err and not os.path.exists(d + "/n"), err)


@test
def sizes():
    """--size is what df sees; block sizes; full is an error of the job, and clean."""
    for block in ("1K", "2K", "4K"):
        with scratch() as d:
            status, out, err = sh("cp /bin/busybox /copy && cmp /bin/busybox /copy && dd if=/dev/zero of=/full bs=64k; sync; ls -l /full >/dev/null",
                                  "--size", "12M", "--block", block, "--get", f"/dev/ram0:{d}/image")
            equal((status, out), (0, b""), err)
            check(b"No space left on device" in err, err)
            equal(os.path.getsize(f"{d}/image"), 12 << 20, "size of the image")
            must(["e2fsck", "-fn", f"{d}/image"])


@test
def images_damaged():
    """Garbage, nothing, half an image: a clear message, 125, no panic."""
    with scratch() as d:
        good = f"{d}/good"
        equal(run("--get", f"/dev/ram0:{good}", "--", "true")[0], 0, "good image")
        data = open(good, "rb").read()
        damaged = {"empty": b"", "garbage": hashlib.sha256(b"x").digest() * 40000, "zeros": bytes(1 << 20), "one": b"x",
                   "truncated": data[:1 << 20], "no_root": data[:20480] + bytes(1 << 20) + data[20480 + (1 << 20):]}
        for name, content in damaged.items():
            with open(f"{d}/{name}", "wb") as file:
                file.write(content)
            status, out, err = run("--image", f"{d}/{name}", "--", "true")
            equal((status, out), (125, b""), f"{name}: {err}")
            check(err.startswith(b"cowslip: ") and b"PANIC" not in err and len(err) < 500, f"{name}: {err}")


@test
def programs_damaged():
    """Garbage and truncated programs, and scripts without their interpreter: an errno as on Linux, never harm."""
    with scratch() as d:
        elf = open(must(["sh", "-c", "command -v busybox"]).decode().strip(), "rb").read()
        cases = {"garbage": random.Random(1).randbytes(5000), "empty": b"", "header": elf[:64], "cut": elf[:4096], "magic": b"\x7fELF" + bytes(100),
                 "wild": elf[:24] + b"\xff" * 8 + elf[32:5000], "phoff": elf[:32] + b"\xff" * 8 + elf[40:5000],
                 "script": b"#!/nowhere\n", "loop": b"#!/loop\n"}
        words = []
        for name, content in cases.items():
            with open(f"{d}/{name}", "wb") as file:
                file.write(content)
            os.chmod(f"{d}/{name}", 0o755)
            words += ["--put", f"{d}/{name}:/{name}"]
        names = " ".join(cases)
        status, out, err = sh(f"for i in {names}; do /$i </dev/null 2>/dev/null; echo $i $?; done; echo alive", *words)
        check(status == 0 and out.endswith(b"alive\n"), f"{status} {out} {err}")
        for line in out.decode().splitlines()[:-1]:
            name, code = line.split()
            check(int(code) != 0 or name == "empty", line)
        for name in ("garbage", "header", "script"):
            status = run("--put", f"{d}/{name}:/{name}", "--", f"/{name}")[0]
            check(status in (126, 127), f"{name} as PROGRAM: {status}")


@test
def kernel_words_bad():
    """Words that mean nothing, or have bad values, are logged and do no harm."""
    status, out, err, log = guest(["echo", "ok"], append="nonsense ramdisk_latency_us=soon prefault= =x \"q q\" smp=9999999999999999999999")
    equal((status, out), (0, b"ok\n"), err)
    check("nonsense" in log, log)
    status, out, err, log = guest(["echo", "ok"], append="x" * 4000)
    equal((status, out), (0, b"ok\n"), err)
