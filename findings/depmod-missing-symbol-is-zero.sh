#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: depmod of kmod 30 (Debian 12), with -e, which "reports symbols a module needs that nothing supplies".
# Guess: a build that runs depmod -e ends when a module needs a symbol that no module and no kernel has; and
#   without the kernel's symbols (-F System.map) -e is a mistake in the call.
# Seen: both are warnings with exit 0, and modules.dep is written as for a module that is in order. A script that looks at the exit
#   code ships a module that the kernel refuses to load.
# Output seen: "missing symbol: exit 0, 1 warning, modules.dep: kernel/m.ko:; without -F: exit 0, 1 warning".
# Why it matters: after a patch or a changed configuration this is the last look at modules before a kernel package is
#   packed. Count the lines "needs unknown symbol", or let modpost do it (make modules fails there).
set -euo pipefail
pins=(kmod=30+20221128-1 libkmod2=30+20221128-1 libssl3=3.0.22-1~deb12u2 binutils=2.40-2 binutils-common=2.40-2
	binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2 libctf0=2.40-2 libctf-nobfd0=2.40-2 libjansson4=2.14-2)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export PATH=$tmp/fs/usr/bin:$tmp/fs/bin:$tmp/fs/sbin:$PATH
export LD_LIBRARY_PATH=$tmp/fs/usr/lib/x86_64-linux-gnu:$tmp/fs/lib/x86_64-linux-gnu
ln -s kmod fs/bin/depmod # the package's own links are absolute
changed() { echo "changed: $*" >&2; exit 1; }
cat >module.s <<'ASM'
	.section .modinfo, "a"
	.asciz "license=GPL"
	.asciz "vermagic=6.1.0 SMP mod_unload "
	.text
	call no_such_function
	call printk
ASM
printf 'ffffffff81000000 T printk\nffffffff81000010 R __ksymtab_printk\n' >System.map
dir=$tmp/image/lib/modules/6.1.0
mkdir -p "$dir/kernel"
touch "$dir"/modules.{order,builtin,builtin.modinfo}
as -o "$dir/kernel/m.ko" module.s

with=0; depmod -b image -e -F System.map 6.1.0 2>with.err || with=$?
without=0; depmod -b image -e 6.1.0 2>without.err || without=$?
seen="missing symbol: exit $with, $(grep -c 'needs unknown symbol no_such_function' with.err) warning, modules.dep: $(cat "$dir/modules.dep"); without -F: exit $without, $(grep -c 'needs -E or -F' without.err) warning"
echo "$seen"
[ "$seen" = "missing symbol: exit 0, 1 warning, modules.dep: kernel/m.ko:; without -F: exit 0, 1 warning" ] || changed "$seen"
! grep -q printk with.err || changed "printk, which System.map has, is unknown, too"
