# The hosted tests of fs/ on the hosted machine: fstest, names and pipes; pairstest, two operations on files and memory at a time. make -f tests/host/fs.mk
include tests/host/host.mk

FS   := $(patsubst %,fs/%.c,dentry inode namei walk place rename link permission super mount cwd tmpfs tmpdir memfd pipe pipering fifo splice file direct sendfile fallocate)
FSO  := $(FS:%.c=$(OUT)/%.o)
BASE := $(FSO) $(filter-out $(TEST:%.c=$(OUT)/%.o),$(OBJ))
ALLO := $(OUT)/tests/host/fs_test.o $(BASE)
PAIRO := $(patsubst %,$(OUT)/tests/host/%.o,pairs pairs_ops pairs_words)
PAIR := $(PAIRO) $(BASE)
LOOSE := -no-pie -Wl,--unresolved-symbols=ignore-all
.DEFAULT_GOAL := both
both: $(OUT)/fstest $(OUT)/pairstest
# What the tests do not reach may stay unresolved.
$(OUT)/fstest: $(ALLO)
	@$(CC) $(SAN) $(LOOSE) -o $@ $^
$(OUT)/pairstest: $(PAIR)
	@$(CC) $(SAN) $(LOOSE) -o $@ $^
$(MUT)/fstest: $(call MUTO,$(ALLO))
	@$(CC) $(SAN) $(LOOSE) -o $@ $^
$(MUT)/pairstest: $(call MUTO,$(PAIR))
	@$(CC) $(SAN) $(LOOSE) -o $@ $^
.PHONY: both
# Of pairstest (host.mk's `sources` are those of mmtest).
sources: OBJ = $(PAIR)
-include $(FSO:.o=.d) $(OUT)/tests/host/fs_test.d $(PAIRO:.o=.d)
