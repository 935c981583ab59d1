# The hosted ext2 tests: fs/ext2 and the real mm/ with ASan and UBSan. make -f tests/host/ext2.mk
include tests/host/host.mk

# Allocations can be made to fail (ext2_vfs.c).
WRAP := page_alloc kmalloc kzalloc slab_alloc
EXT2 := $(wildcard fs/ext2/*.c) tests/host/ext2_vfs.c tests/host/ext2_model.c tests/host/ext2_ops.c tests/host/ext2_verify.c tests/host/ext2_test.c tests/host/ext2_fuzz.c $(MORE)
EOBJ := $(MM:%.c=$(OUT)/%.o) $(patsubst %.c,$(OUT)/%.o,$(filter-out tests/host/disk.c,$(SHIM))) $(EXT2:%.c=$(OUT)/%.o) \
	$(OUT)/tests/host/sys.o $(OUT)/tests/host/ext2_sys.o

# tests/fuzz/fuzz.mk builds it again with MORE sources and LIBS.
EXT2TEST ?= $(OUT)/ext2test
.DEFAULT_GOAL := $(EXT2TEST)
$(EXT2TEST): $(EOBJ)
	@$(CC) $(SAN) -no-pie -Wl,--unresolved-symbols=ignore-all $(WRAP:%=-Wl,--wrap=%) -o $@ $^ $(LIBS)
$(OUT)/tests/host/ext2_sys.o: tests/host/ext2_sys.c
	@mkdir -p $(@D)
	@$(CC) -std=gnu11 -O1 -g $(SAN) $(WARN) -c -o $@ $<
-include $(EXT2:%.c=$(OUT)/%.d)
