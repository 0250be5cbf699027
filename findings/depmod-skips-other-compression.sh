#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: depmod and modinfo of kmod 30 (Debian 12), whose `--version` says "+ZSTD +XZ -ZLIB".
# Guess: a depmod that cannot read gzip says so, by a warning at least, when it meets a module.ko.gz below
#   /lib/modules; and modinfo, given such a file's path, says that it cannot read the compression.
# Seen: to this depmod a .ko.gz is no module at all: it is left out of modules.dep, with exit 0 and not a word,
#   even with -v. modinfo calls a file that is there "not found".
# Output seen: "modules.dep: kernel/plain.ko:" and nothing for packed.ko.gz; "Module ... not found."
# Why it matters: modules.dep is often made on the building machine for another distribution's kernel. With
#   CONFIG_MODULE_COMPRESS_GZIP the guest then has no modules, and nothing in the build's log says why.
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
changed() { echo "changed: $*" >&2; exit 1; }
ln -s kmod fs/bin/depmod # the package's own links are absolute
ln -s kmod fs/bin/modinfo
cat >module.s <<'ASM'
	.section .modinfo, "a"
	.asciz "license=GPL"
	.asciz "vermagic=6.1.0 SMP mod_unload "
	.text
	nop
ASM
dir=$tmp/image/lib/modules/6.1.0
mkdir -p "$dir/kernel"
touch "$dir"/modules.{order,builtin,builtin.modinfo}
as -o "$dir/kernel/plain.ko" module.s
gzip -c "$dir/kernel/plain.ko" >"$dir/kernel/packed.ko.gz"

kmod --version | grep -q -- -ZLIB || changed "this kmod knows gzip"
said=$(depmod -v -b image 6.1.0 2>&1) || changed "depmod fails: $said"
sed 's/^/modules.dep: /' "$dir/modules.dep"
! grep -q packed <<<"$said" || changed "depmod now speaks of packed.ko.gz: $said"
[ "$(cat "$dir/modules.dep")" = "kernel/plain.ko:" ] || changed "modules.dep is another"
modinfo -F license "$dir/kernel/plain.ko" | grep -qx GPL
! said=$(modinfo "$dir/kernel/packed.ko.gz" 2>&1) || changed "modinfo reads packed.ko.gz"
grep -q 'not found' <<<"$said" || changed "modinfo says: $said"
