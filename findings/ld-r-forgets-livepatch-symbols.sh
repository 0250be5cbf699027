#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: ld and strip of binutils 2.40, ld.lld and llvm-objcopy 16.0.6 (Debian 12).
# Guess: a symbol that the kernel shall resolve when it loads a livepatch has the section index 0xff20 (SHN_LIVEPATCH), which
#   is the operating system's to define. `ld -r`, which only puts objects together, keeps what it does not know;
#   strip and objcopy, which write the symbol table anew, do as it is known of them: they may spoil it.
# Seen: it is the other way round. strip -g and objcopy keep the index. `ld -r` of that one object makes the symbol an absolute
#   one, with the value 0, and ends with 0 and without a word; so does ld.lld. Only llvm-objcopy says that it does not
#   know the index, and writes nothing.
# Output seen: "binutils: strip and objcopy keep 0xff20, ld -r makes it ABS 0; LLVM: ld.lld -r makes it ABS 0, objcopy refuses".
# Why it matters: a tool that marks symbols must do that after the last link. Whoever links once more, to add a section or to
#   sign in a build of their own, gets a module without a single mark, and no tool says so before it is loaded.
set -euo pipefail
pins=(binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2 libctf0=2.40-2 libctf-nobfd0=2.40-2 libjansson4=2.14-2
	zlib1g=1:1.2.13.dfsg-1 libzstd1=1.5.4+dfsg2-5)
llvm=1:16.0.6-15~deb12u1
pins+=(lld-16=$llvm llvm-16=$llvm libllvm16=$llvm libedit2=3.1-20221030-2 libz3-4=4.8.12-3.1 libtinfo6=6.4-4
	libxml2=2.9.14+dfsg-1.3~deb12u6 libbsd0=0.11.7-2 libmd0=1.0.4-2 libicu72=72.1-3+deb12u1 liblzma5=5.4.1-1+deb12u2
	libstdc++6=12.2.0-14+deb12u1 libgcc-s1=12.2.0-14+deb12u1)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export LD_LIBRARY_PATH=$tmp/fs/usr/lib/x86_64-linux-gnu:$tmp/fs/lib/x86_64-linux-gnu
changed() { echo "changed: $*" >&2; exit 1; }
gnu=$tmp/fs/usr/bin/x86_64-linux-gnu- clang=$tmp/fs/usr/lib/llvm-16/bin

# What a livepatch has: a call of a symbol that is not there yet.
printf '.text\n.globl caller\ncaller:\n call old_function\n ret\n' | "${gnu}as" -o patch.o
line() { "${gnu}readelf" -Ws "$1" | grep -w old_function; }
index() { line "$1" | awk '{sub("^.* (GLOBAL|LOCAL) +DEFAULT +", ""); sub(" +old_function$", ""); print}'; }
[ "$(index patch.o)" = UND ] || changed "as: $(line patch.o)"
table=$("${gnu}readelf" -WS patch.o | awk '$2 == ".symtab" || $3 == ".symtab" {for (i = 1; i <= NF; i++) if ($i == "SYMTAB") print $(i + 2)}')
number=$(line patch.o | awk '{sub(":", "", $1); print $1}')
printf '\x20\xff' | dd of=patch.o bs=1 seek=$((16#$table + 24 * number + 6)) conv=notrunc status=none
[ "$(index patch.o)" = 'OS [0xff20]' ] || changed "readelf: $(line patch.o)"

"${gnu}strip" -g -o stripped.o patch.o
[ "$(index stripped.o)" = 'OS [0xff20]' ] || changed "strip: $(line stripped.o)"
"${gnu}objcopy" patch.o copied.o
[ "$(index copied.o)" = 'OS [0xff20]' ] || changed "objcopy: $(line copied.o)"
for ld in "${gnu}ld.bfd" "$clang/ld.lld"; do
	"$ld" -r -o linked.o patch.o >log 2>&1 || { cat log >&2; changed "$ld -r fails"; }
	[ ! -s log ] || { cat log >&2; changed "$ld -r says something"; }
	[ "$(index linked.o)" = ABS ] && [ "$(line linked.o | awk '{print $2}')" = 0000000000000000 ] || changed "$ld -r: $(line linked.o)"
done
! "$clang/llvm-objcopy" patch.o refused.o 2>log || changed "llvm-objcopy takes it: $(line refused.o)"
grep -q 'unsupported value' log && [ ! -e refused.o ] || { cat log >&2; changed "llvm-objcopy"; }
echo "binutils: strip and objcopy keep 0xff20, ld -r makes it ABS 0; LLVM: ld.lld -r makes it ABS 0, objcopy refuses"
