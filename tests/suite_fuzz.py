"""Parsers of what comes from outside, on inputs that libFuzzer makes: tests/fuzz/. Bounded; starts from a kept corpus.

The corpus is tests/fuzz/corpus/TARGET, one input a line in hexadecimal. `tests/suite_fuzz.py TARGET SECONDS` fuzzes for longer and
puts what found new paths back into that file; an input that crashes is kept under build/fuzz and belongs into the corpus with its fix.
"""
import os
import subprocess
import sys
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from testlib import BUILD, ROOT, Fail, command, must, package, scratch  # noqa: E402

HOST = False
PARALLEL = False
FUZZ = os.path.join(BUILD, "fuzz")
CORPUS = os.path.join(ROOT, "tests/fuzz/corpus")
# target: (longest input, files of the kernel that it runs)
TARGETS = {
    "elf": (2048, "kernel/elf.c"),
    "bootinfo": (1024, "boot/bootinfo.c"),
    "acpi": (2048, "drivers/acpi_tables.c"),
    "emulator": (1024, "drivers/emulator.c, drivers/emulator_csi.c"),
    "ext2": (64, "fs/ext2"),
}


def build():
    clang = package("clang", "clang")
    package("libclang-rt-dev", must([clang, "-print-resource-dir"]).decode().strip() + "/lib/linux/libclang_rt.fuzzer_no_main-x86_64.a")
    must(["make", "-s", "-j2", "-f", "tests/fuzz/fuzz.mk"], timeout=600)
    image = os.path.join(FUZZ, "ext2.img")
    with scratch() as tree:
        for i in range(20):
            with open(f"{tree}/file{i}", "w") as file:
                file.write(f"contents {i}\n" * i)
        os.makedirs(f"{tree}/dir/deep")
        os.symlink("file1", f"{tree}/link")
        os.symlink("x" * 100, f"{tree}/long-link")
        with open(f"{tree}/big", "wb") as file:         # has indirect blocks
            file.write(bytes(i * 7 & 255 for i in range(60000)))
        if os.path.exists(image):
            os.unlink(image)
        must(["mke2fs", "-q", "-F", "-t", "ext2", "-b", "1024", "-N", "64", "-d", tree, image, "192K"])


def unpack(target):
    """The corpus as files, as libFuzzer wants it."""
    folder = os.path.join(FUZZ, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(CORPUS, target)) as file:
        for line in file:
            data = bytes.fromhex(line)
            with open(os.path.join(folder, f"{zlib.crc32(data):08x}"), "wb") as out:
                out.write(data)
    return folder


def fuzz(target, *words, timeout):
    """(status, what libFuzzer printed). ext2's loop runs as a hosted test and takes its words from the environment."""
    words = [f"-max_len={TARGETS[target][0]}", f"-artifact_prefix={FUZZ}/{target}-", *words]
    env = dict(os.environ, EXT2_IMAGE=os.path.join(FUZZ, "ext2.img"), FUZZ_ARGS=" ".join(words))
    argv = [os.path.join(FUZZ, target)] + (["libfuzzer"] if target == "ext2" else words)
    status, out, err = command(argv, timeout=timeout, env=env)
    return status, (out + err).decode("utf-8", "replace")


def bounded(target):
    def test():
        folder = unpack(target)
        # A number of runs, not of seconds: the same on every machine.
        runs = 1500 if target == "ext2" else 400000
        status, text = fuzz(target, f"-runs={runs}", "-seed=1", folder, timeout=300)
        if status:
            raise Fail(f"libFuzzer gave {status}\n{text[-5000:]}")
    return test


def prepare():
    build()


def tests():
    return [(target, bounded(target)) for target in TARGETS]


def longer(target, seconds):
    """Fuzz, then keep the smallest corpus that reaches as much."""
    build()
    folder = unpack(target)
    status, text = fuzz(target, f"-max_total_time={seconds}", folder, timeout=seconds + 300)
    print(text[-3000:])
    if status:
        return status
    with scratch() as small:
        status, text = fuzz(target, "-merge=1", small, folder, timeout=600)
        inputs = []
        for name in os.listdir(small):
            with open(os.path.join(small, name), "rb") as file:
                inputs.append(file.read().hex())
    with open(os.path.join(CORPUS, target), "w") as file:
        file.write("".join(line + "\n" for line in sorted(inputs, key=lambda h: (len(h), h))))
    print(f"{len(inputs)} inputs in tests/fuzz/corpus/{target}")
    return status


if __name__ == "__main__":
    try:
        sys.exit(longer(sys.argv[1], int(sys.argv[2])))
    except (Fail, subprocess.CalledProcessError) as fail:
        sys.exit(str(fail))
