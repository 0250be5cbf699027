#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: qemu-img 7.2 (qemu-utils 1:7.2+dfsg-7+deb12u18+b3, Debian 12).
# Guess: a raw image is the file's bytes and nothing else. `convert` from raw to raw is a copy, and images that
#   `compare` calls identical are the same bytes.
# Seen: a raw file whose length is no multiple of 512 is a disk rounded UP: zeros are made up to the end of the
#   last sector. `convert` writes them out, so the copy is longer and hashes
#   otherwise. `compare` calls the two identical and exits 0.
# Output seen: "1000 bytes became 1024", "Images are identical."
# Why it matters: a guest gets its cpio, RPM or test program as a raw disk. What it reads back is not what the
#   host hashed, so a checksum over the whole device fails; the length must travel beside the bytes.
set -euo pipefail
pins=(qemu-utils=1:7.2+dfsg-7+deb12u18+b3 libaio1=0.3.113-4 liburing2=2.3-3 libnuma1=2.0.16-1 libglib2.0-0=2.74.6-2+deb12u9)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export PATH=$tmp/fs/usr/bin:$tmp/fs/bin:$tmp/fs/sbin:$PATH
export LD_LIBRARY_PATH=$tmp/fs/usr/lib/x86_64-linux-gnu:$tmp/fs/lib/x86_64-linux-gnu
changed() { echo "changed: $*" >&2; exit 1; }
seq 1 1000 | head -c 1000 >in.raw
qemu-img convert -f raw -O raw in.raw out.raw
in=$(stat -c %s in.raw) out=$(stat -c %s out.raw)
echo "$in bytes became $out"
[ "$out" = 1024 ] || changed "convert of $in bytes wrote $out"
cmp -n 1000 in.raw out.raw
[ "$(tail -c 24 out.raw | tr -d '\0' | wc -c)" = 0 ] || changed "the tail is not of zeros"
said=$(qemu-img compare -f raw -F raw in.raw out.raw) || changed "compare tells the two apart: $said"
echo "$said"
[ "$said" = "Images are identical." ] || changed "compare says: $said"
qemu-img info -f raw in.raw | grep -q '(1024 bytes)' || changed "info no longer rounds the size up"
