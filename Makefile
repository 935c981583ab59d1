# Cowslip's only Makefile. Sources are found by folder; everything made goes under build/ (BUILD=).
# Variables: CROSS=x86_64-elf- (prefix of the tools), CC=, LLVM=1 (clang, lld), UAPI= (Linux's headers), WERROR=1 (as the tests do), DEBUG=1 (a kernel that checks its locks), KCSAN=1 (one that finds data races), EXPLORE=1 (one where atomics are events of sched=explore), V=1 (show commands).
# Lines with two hashes after a target are its help.

BUILD   ?= build
CROSS   ?=
# LLVM=1: LLVM's linker and tools too, where they are installed.
llvm    = $(if $(LLVM),$(shell command -v $(1) 2>/dev/null))
ifeq ($(origin CC),default)
CC      := $(if $(LLVM),clang --target=x86_64-linux-gnu,$(CROSS)gcc)
endif
LD      := $(or $(call llvm,ld.lld),$(CROSS)ld)
NM      := $(or $(call llvm,llvm-nm),$(CROSS)nm)
OBJCOPY := $(or $(call llvm,llvm-objcopy),$(CROSS)objcopy)
OBJDUMP := $(or $(call llvm,llvm-objdump),$(CROSS)objdump)
# Linux's UAPI headers: a cross compiler does not look where the system has them.
UAPI    ?= /usr/include
MUSLCC  ?= musl-gcc
Q       := $(if $(V),,@)
say     = @echo "  $(1)$(if $(V),:)"

DIRS := boot kernel mm fs fs/ext2 drivers
CSRC := $(filter-out $(if $(DEBUG),,kernel/lockcheck.c mm/ownership%) $(if $(KCSAN),,kernel/kcsan.c),$(wildcard $(DIRS:=/*.c)))
ASRC := $(wildcard $(DIRS:=/*.asm))
OBJS := $(CSRC:%.c=$(BUILD)/obj/%.o) $(ASRC:%.asm=$(BUILD)/obj/%.asm.o) $(BUILD)/obj/font.o $(BUILD)/obj/vdso.o
USER := $(patsubst %.c,$(BUILD)/%,$(wildcard user/*.c user/tests/*.c))
ELF  := $(BUILD)/cowslip.elf

WARN    := -Wall -Wextra -Wshadow -Wundef -Wvla -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
	-Wno-unused-parameter -Wno-sign-compare
KFLAGS  := -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
	-fno-omit-frame-pointer -fno-strict-aliasing -fno-asynchronous-unwind-tables -fcf-protection=none \
	-fstack-protector-strong -mstack-protector-guard=tls -mstack-protector-guard-reg=gs \
	-mstack-protector-guard-offset=40 $(WARN) -I. -iquote . -idirafter $(UAPI) -idirafter $(UAPI)/x86_64-linux-gnu
ERROR   := $(if $(WERROR),$(if $(COVERAGE),,-Werror))
# DEBUG=1 (--debug): locks check themselves (kernel/lockcheck.h); each caller is on the stack.
KFLAGS  += $(if $(DEBUG),-DDEBUG_BUILD=1 -fno-optimize-sibling-calls)
# KCSAN=1 (--kcsan): data races are found (kernel/kcsan.h). Not instrumented: what the finder itself needs, what runs before it, and who looks
# at others' memory as it is when the machine stops.
KFLAGS  += $(if $(KCSAN),-DKCSAN_BUILD=1)
SANITIZE := $(if $(KCSAN),-fsanitize=thread --param tsan-distinguish-volatile=1 --param tsan-instrument-func-entry-exit=0 -Wno-tsan -fno-optimize-sibling-calls)
KCSAN_OFF := boot/% kernel/kcsan.c kernel/lock.c kernel/sleeplock.c kernel/lockcheck.c kernel/held.c kernel/hang.c kernel/panic.c kernel/backtrace.c kernel/cpu.c \
	kernel/clock.c kernel/string.c kernel/format.c kernel/explore.c
# EXPLORE=1 (--explore): another task may run before each atomic operation (kernel/explore.h).
KFLAGS  += $(if $(EXPLORE),-DEXPLORE_BUILD=1)
# COVERAGE=1 (./cowslip coverage): gcc's line counters, which tools/coverage.py reads from the stopped machine.
ifneq ($(COVERAGE),)
KFLAGS  += -fprofile-arcs -ftest-coverage -fprofile-info-section -fprofile-update=atomic
endif
# No NASM line information for boot/: GDB misreads a file with two code sections (16/32/64-bit start-up code).
NFLAGS   = -f elf64 -I./ $(if $(filter boot/%,$<),,-g -F dwarf) $(if $(WERROR),-w+error)
LDFLAGS := -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none -T linker.ld $(if $(COVERAGE),--defsym=__gcov_merge_add=1)
UFLAGS  := -static -O2 -g -Wall -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu

.PHONY: all kernel user objs run test check gdb iso usb help stat check-includes sparse clean FORCE
all: $(ELF)                     ## build/cowslip.elf, the kernel (default)
kernel: $(ELF)
objs: $(OBJS)                   ## compile without linking (make -k objs)
user: $(USER)                   ## the user programs: build/user/*, build/user/tests/*
run test check gdb iso usb: ; @./cowslip $@ $(ARGS)
help: ; @sed -n 's/^\([a-z-]*\):[^#]*## /  make \1: /p' Makefile; ./cowslip help
clean: ; rm -rf $(BUILD)

$(BUILD)/obj/%.o: %.c $(BUILD)/obj/flags Makefile
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(KFLAGS) $(if $(filter $(KCSAN_OFF),$<),,$(SANITIZE)) $(ERROR) -MMD -MP -c -o $@ $<
$(BUILD)/obj/%.asm.o: %.asm Makefile
	@mkdir -p $(@D)
	$(call say,NASM $<)
	$(Q)nasm $(NFLAGS) -MD $(@:.o=.d) -MP -o $@ $<

# Two links: the first one gives the addresses of the functions, from which tools/mksyms.py makes the symbol table that
# a backtrace uses. Its section .ksyms lies behind all text, so that the second link moves no function.
# The vDSO, a shared library for programs, linked into the kernel as bytes.
VFLAGS  := -std=gnu11 -O2 -ffreestanding -fPIC -mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none \
	$(WARN) -iquote . -idirafter $(UAPI) -idirafter $(UAPI)/x86_64-linux-gnu
$(BUILD)/obj/vdso.o: vdso/vdso.c vdso/vdso.lds vdso/data.h kernel/types.h $(BUILD)/obj/flags Makefile
	$(call say,VDSO vdso/vdso.c)
	$(Q)$(CC) $(VFLAGS) $(ERROR) -c -o $(BUILD)/obj/vdso.pic.o vdso/vdso.c
	$(Q)$(LD) -shared -soname=linux-vdso.so.1 --hash-style=both --build-id=none -z max-page-size=4096 -z noexecstack -T vdso/vdso.lds \
	-o $(BUILD)/vdso.so $(BUILD)/obj/vdso.pic.o
	$(Q)$(OBJCOPY) -S $(BUILD)/vdso.so $(BUILD)/vdso.image
	$(Q)echo 'section .rodata align=16' >$(BUILD)/vdso.asm
	$(Q)echo 'global vdso_image, vdso_image_end' >>$(BUILD)/vdso.asm
	$(Q)echo 'vdso_image: incbin "$(BUILD)/vdso.image"' >>$(BUILD)/vdso.asm
	$(Q)echo 'vdso_image_end:' >>$(BUILD)/vdso.asm
	$(Q)echo 'section .note.GNU-stack noalloc noexec nowrite progbits' >>$(BUILD)/vdso.asm
	$(Q)nasm -f elf64 -o $@ $(BUILD)/vdso.asm

# The console's font: the first of these that is there (Debian: console-setup-linux; Fedora: terminus-fonts-console; Arch: terminus-font).
FONT    ?= $(firstword $(wildcard /usr/share/consolefonts/Uni2-Terminus16.psf.gz /usr/lib/kbd/consolefonts/ter-u16n.psf.gz \
	/usr/lib/kbd/consolefonts/ter-v16n.psf.gz /usr/share/kbd/consolefonts/ter-u16n.psf.gz /usr/share/kbd/consolefonts/ter-v16n.psf.gz))
$(BUILD)/obj/font.o: tools/mkfont.py $(FONT) $(BUILD)/obj/flags
	@test -n "$(FONT)" || { echo "no console font: Debian's package console-setup-linux has it (FONT= names another PSF file)" >&2; exit 1; }
	$(call say,FONT $(FONT))
	$(Q)python3 tools/mkfont.py $(FONT) >$(BUILD)/font.asm
	$(Q)nasm -f elf64 -o $@ $(BUILD)/font.asm

$(BUILD)/obj/pass1.elf: $(OBJS) $(BUILD)/obj/list linker.ld tools/mksyms.py
	$(Q)python3 tools/mksyms.py </dev/null >$(BUILD)/obj/ksyms0.asm
	$(Q)nasm -f elf64 -o $(BUILD)/obj/ksyms0.o $(BUILD)/obj/ksyms0.asm
	$(Q)$(LD) $(LDFLAGS) -o $@ $(OBJS) $(BUILD)/obj/ksyms0.o
$(ELF): $(BUILD)/obj/pass1.elf tools/postlink.sh
	$(Q)$(NM) -n $< | python3 tools/mksyms.py >$(BUILD)/ksyms.asm
	$(Q)nasm -f elf64 -o $(BUILD)/obj/ksyms.o $(BUILD)/ksyms.asm
	$(call say,LD $@)
	$(Q)$(LD) $(LDFLAGS) -Map=$(BUILD)/cowslip.map -o $@.new $(OBJS) $(BUILD)/obj/ksyms.o
	$(Q)NM="$(NM)" OBJDUMP="$(OBJDUMP)" sh tools/postlink.sh $@.new $<
	$(Q)mv $@.new $@

# Files that change only when what they hold changes: the flags, and which objects there are.
$(BUILD)/obj/flags: FORCE
	@for p in $(firstword $(CC)) $(LD) nasm python3; do command -v $$p >/dev/null || \
	{ echo "$$p is missing: ./cowslip installs it (docs/running.md)" >&2; exit 1; }; done
	@mkdir -p $(@D); echo '$(CC) $(KFLAGS) $(SANITIZE)' | cmp -s - $@ || echo '$(CC) $(KFLAGS) $(SANITIZE)' >$@
$(BUILD)/obj/list: FORCE ; @mkdir -p $(@D); echo '$(OBJS)' | cmp -s - $@ || echo '$(OBJS)' >$@

# kbench.c calls no libc function and must not be helped by one.
$(BUILD)/user/kbench: UFLAGS += -fno-stack-protector -fno-builtin
$(BUILD)/user/%: user/%.c Makefile
	@mkdir -p $(@D)
	$(call say,USER $<)
	$(Q)$(MUSLCC) $(UFLAGS) $(ERROR) -MMD -MP -MT $@ -MF $@.d -o $@ $<

stat:                           ## lines per folder
	@for d in $(DIRS) user user/tests tools tests docs; do \
	cat $$d/*.c $$d/*.h $$d/*.asm $$d/*.py $$d/*.sh $$d/*.md 2>/dev/null | wc -l | sed "s|^ *\([0-9]*\)$$|\1\t$$d|"; done
check-includes:                 ## the include arrows between folders
	@python3 tools/check_includes.py
sparse:                         ## address spaces and lock balance over all C files
	@for f in $(CSRC); do sparse $(filter-out -mstack% -fstack% -mcmodel% -fcf%,$(KFLAGS)) -D__STDC_HOSTED__=0 '-D__VERSION__="sparse"' \
	-isystem $(shell $(CC) -print-file-name=include) -Wcontext -Wno-bitwise -Wno-decl -Wno-cast-truncate $$f; done 2>&1 | \
	awk '{ print } END { if (NR) exit 1; print "sparse finds nothing" }'

-include $(OBJS:.o=.d) $(USER:=.d)
