# The hosted tests of fs/: names and pipes on the hosted machine. make -f tests/host/fs.mk
include tests/host/host.mk

FS   := $(patsubst %,fs/%.c,dentry inode namei walk place rename link permission super mount cwd tmpfs tmpdir memfd pipe pipering fifo splice file)
FSO  := $(FS:%.c=$(OUT)/%.o) $(OUT)/tests/host/fs_test.o
ALLO := $(FSO) $(filter-out $(TEST:%.c=$(OUT)/%.o),$(OBJ))
LOOSE := -no-pie -Wl,--unresolved-symbols=ignore-all
.DEFAULT_GOAL := $(OUT)/fstest
# What the tests do not reach may stay unresolved.
$(OUT)/fstest: $(ALLO)
	@$(CC) $(SAN) $(LOOSE) -o $@ $^
$(MUT)/fstest: $(call MUTO,$(ALLO))
	@$(CC) $(SAN) $(LOOSE) -o $@ $^
-include $(FSO:.o=.d)
# Freestanding, as the kernel is: libc's features.h would take S_IFDIR and its like out of linux/stat.h.
$(FSO) $(FS:%.c=$(MUT)/%.o): KCC += -ffreestanding
