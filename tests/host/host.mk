# The hosted tests: the kernel's own mm/ with ASan and UBSan over the shims of this folder. make -f tests/host/host.mk
# Variables: MUTATE=name (tests/mutate.py), OUT=folder.
OUT  ?= build/host
CC   := gcc
comma := ,
SAN  := -fsanitize=address,undefined -fno-sanitize-recover=undefined $(if $(COVERAGE),--coverage -Wl$(comma)-u$(comma)__gcov_dump)
WARN := -Wall -Wextra -Wshadow -Wno-unused-parameter -Wno-sign-compare -Wno-address-of-packed-member
# Freestanding, as the kernel is: libc's features.h would take S_IFDIR and its like out of linux/stat.h.
KCC  := $(CC) -std=gnu11 -ffreestanding -O1 -g -fno-strict-aliasing -fno-omit-frame-pointer -fno-builtin-printf $(SAN) $(WARN) $(if $(NAME),-iquote $(OUT)/mutants/$(NAME)) -iquote tests/host/include -iquote $(OUT)/src -iquote .
# With line counters gcc warns of paths that it otherwise sees through.
ifeq ($(WERROR)$(COVERAGE),1)
KCC  += -Werror
endif
# extable.c searches a section that only the kernel's link has; ownership*.c do for the kernel what check.c does here.
MM   := $(filter-out mm/extable.c mm/ownership.c mm/ownership_spoil.c,$(wildcard mm/*.c)) kernel/wait.c kernel/inject.c
SHIM := $(patsubst %,tests/host/%.c,sched explore locks tso report mmu ioqueue disk swapdisk proc check)
TEST := $(wildcard tests/host/test_*.c)
OBJ  := $(MM:%.c=$(OUT)/%.o) $(SHIM:%.c=$(OUT)/%.o) $(TEST:%.c=$(OUT)/%.o) $(OUT)/tests/host/sys.o

$(OUT)/mmtest: $(OBJ)
	@$(CC) $(SAN) -o $@ $^
$(OUT)/tests/host/sys.o: tests/host/sys.c tests/host/sys.h
	@mkdir -p $(@D)
	@$(CC) -std=gnu11 -O1 -g $(SAN) $(WARN) -c -o $@ $<
$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	@$(KCC) -MMD -MP -c -o $@ $<
-include $(OBJ:.o=.d)

# The same with some files changed: $(OUT)/mutants/NAME holds them by their paths, FILES are those to compile again (tests/mutate.py).
MUT  := $(OUT)/mutants/$(NAME)
MUTO  = $(FILES:%.c=$(MUT)/%.o) $(filter-out $(FILES:%.c=$(OUT)/%.o),$(1))
ifneq ($(NAME),)
$(MUT)/mmtest: $(call MUTO,$(OBJ))
	@$(CC) $(SAN) -o $@ $^
$(MUT)/%.o: FORCE
	@mkdir -p $(@D)
	@$(KCC) -w -c -o $@ $(firstword $(wildcard $(MUT)/$*.c) $*.c)
endif
FORCE:
sources: ; @echo $(OBJ:$(OUT)/%.o=%.c)
.PHONY: FORCE sources
