# Fuzz targets: the kernel's own parsers with clang's libFuzzer, ASan and UBSan. make -f tests/fuzz/fuzz.mk; tests/suite_fuzz.py runs them.
OUT  ?= build/fuzz
CC   := clang
SAN  := -fsanitize=address,undefined -fno-sanitize-recover=undefined
KCC  := $(CC) -std=gnu11 -O1 -g -fno-strict-aliasing -fno-omit-frame-pointer -ffreestanding -w $(SAN) -iquote tests/host/include -iquote tests/fuzz -iquote .

all: $(OUT)/elf $(OUT)/bootinfo $(OUT)/acpi $(OUT)/emulator $(OUT)/ext2

$(OUT)/elf: tests/fuzz/elf.c kernel/elf.c
$(OUT)/bootinfo: tests/fuzz/bootinfo.c boot/bootinfo.c
$(OUT)/emulator: tests/fuzz/emulator.c drivers/emulator.c drivers/emulator_csi.c kernel/format.c
$(OUT)/acpi: tests/fuzz/acpi.c drivers/acpi_tables.c
$(OUT)/elf $(OUT)/bootinfo $(OUT)/acpi $(OUT)/emulator: tests/fuzz/fuzz.h
	@mkdir -p $(OUT)
	@$(KCC) -fsanitize=fuzzer -o $@ $(filter-out $(SKIP) %.h,$^)
$(OUT)/bootinfo: SKIP := boot/bootinfo.c

# The hosted ext2 tests' machine with one more test, whose body is libFuzzer's loop.
FUZZER := $(shell $(CC) -print-file-name=libclang_rt.fuzzer_no_main-x86_64.a)
$(OUT)/ext2: FORCE
	@$(MAKE) -s -f tests/host/ext2.mk OUT=$(OUT)/obj CC=$(CC) SAN="$(SAN) -fsanitize=fuzzer-no-link" MORE=tests/fuzz/ext2.c \
	LIBS="$(FUZZER) -lstdc++ -lm -lpthread" EXT2TEST=$@
.PHONY: all FORCE
