#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: sign-file of Linux 6.1.192 (Debian's linux-kbuild-6.1), read by modinfo of kmod 30.
# Guess: signing a module that is signed already replaces the signature, as rpmsign does with that of a package, or is refused.
# Seen: neither. The new signature goes behind the old one, and is of the module with the old one at its end; the program
#   ends with 0 and without a word. modinfo shows the last signer alone, so that nothing tells that there are two. The first
#   part of the file is the once signed module, byte for byte.
# Output seen: "signed twice: exit 0, 2 signatures in the file, modinfo names the second signer; without its end it is the first".
# Why it matters: a build whose kernel signs its modules, and a release that signs them with its own key after that, ship
#   modules that grow with every pass and never compare equal with what is signed once. Sign the module that was never
#   signed, or cut the old signature off: its length stands in the last 40 bytes.
set -euo pipefail
pins=(linux-kbuild-6.1=6.1.192-2 kmod=30+20221128-1 libkmod2=30+20221128-1 libssl3=3.0.22-1~deb12u2 openssl=3.0.22-1~deb12u2
	libzstd1=1.5.4+dfsg2-5 liblzma5=5.4.1-1+deb12u2
	binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2 zlib1g=1:1.2.13.dfsg-1)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export LD_LIBRARY_PATH=$tmp/fs/usr/lib/x86_64-linux-gnu:$tmp/fs/lib/x86_64-linux-gnu
changed() { echo "changed: $*" >&2; exit 1; }
signFile=$tmp/fs/usr/lib/linux-kbuild-6.1/scripts/sign-file
ln -s "$tmp/fs/bin/kmod" modinfo
signer() { "$tmp/modinfo" -F signer "$1"; }

for who in kernel release; do
	"$tmp/fs/usr/bin/openssl" req -new -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$who/" \
		-config fs/etc/ssl/openssl.cnf -keyout $who.pem -out $who.crt 2>log || { cat log >&2; changed "openssl"; }
done
# As much of a module as sign-file and modinfo look at.
printf '.section .modinfo,"a"\n.asciz "license=GPL"\n' | fs/usr/bin/x86_64-linux-gnu-as -o m.ko
cp m.ko once.ko
"$signFile" sha256 kernel.pem kernel.crt once.ko
[ "$(signer once.ko)" = kernel ] || changed "modinfo of a module that is signed once: $(signer once.ko)"
cp once.ko twice.ko
"$signFile" sha256 release.pem release.crt twice.ko >log 2>&1 || { cat log >&2; changed "sign-file refuses a signed module"; }
[ ! -s log ] || { cat log >&2; changed "sign-file says something"; }
[ "$(grep -ao '~Module signature appended~' twice.ko | wc -l)" = 2 ] || changed "the number of signatures"
[ "$(signer twice.ko)" = release ] || changed "modinfo of a module that is signed twice: $(signer twice.ko)"
cmp -s -n "$(stat -c %s once.ko)" once.ko twice.ko || changed "the file does not begin with the module that was signed once"
echo "signed twice: exit 0, 2 signatures in the file, modinfo names the second signer; without its end it is the first"
