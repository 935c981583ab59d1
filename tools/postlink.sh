#!/bin/sh
# What must hold of a kernel that has been linked: postlink.sh NEW.elf PASS1.elf (NM and OBJDUMP from the environment).
set -u
new=$1 pass1=$2 nm=${NM:-nm} objdump=${OBJDUMP:-objdump}
fail() { echo "$new: $1" >&2; exit 1; }

# The symbol table was made from the first link: no function may have moved.
text() { "$nm" "$1" | grep -i ' t ' | sort; }
[ "$(text "$new")" = "$(text "$pass1")" ] || fail "functions moved between the two links: .ksyms must lie behind .text (linker.ld)"

undefined=$("$nm" -u "$new")
[ -z "$undefined" ] || fail "undefined symbols: $undefined"

# The kernel's code may not use the vector registers: they belong to the user program.
vector=$("$objdump" -d --no-show-raw-insn "$new" | grep -m 3 '%[xyz]mm[0-9]')
[ -z "$vector" ] || fail "SSE or AVX instructions in the kernel:
$vector"

if command -v grub-file >/dev/null 2>&1; then
	grub-file --is-x86-multiboot2 "$new" || fail "GRUB does not see a multiboot2 header"
fi
exit 0
