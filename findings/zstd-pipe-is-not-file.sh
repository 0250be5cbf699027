#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: zstd 1.5.4 (Debian 12).
# Guess: the compressed bytes depend on the content and the level. Whether zstd opens the file itself or reads
#   it from its standard input makes no difference, least of all where that is the same regular file.
# Seen: from standard input, redirected file included, the frame names no content size and asks for the level's
#   whole window: 8 MiB of memory at level 19 to read 1000 bytes back. From a named file it asks for about the
#   file's size. The two outputs differ, and `zstd -l` cannot tell the size of the first.
# Output seen: "window of a named file: 1000 B, of standard input: 8388608 B".
# Why it matters: kernels, initramfs files and modules are compressed by pipe in one build and by name in the
#   next. Their hashes then differ for the same content, and a reader allowed 1 MiB of
#   window takes only one.
set -euo pipefail
pins=(zstd=1.5.4+dfsg2-5)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export PATH=$tmp/fs/usr/bin:$tmp/fs/bin:$tmp/fs/sbin:$PATH
export LD_LIBRARY_PATH=$tmp/fs/usr/lib/x86_64-linux-gnu:$tmp/fs/lib/x86_64-linux-gnu
changed() { echo "changed: $*" >&2; exit 1; }
seq 1 1000 | head -c 1000 >module
zstd -q -19 -c module >named.zst
zstd -q -19 -c <module >redirected.zst
cat module | zstd -q -19 -c >piped.zst
window() { zstd -lv "$1" 2>/dev/null | sed -n 's/^Window Size:.*(\([0-9]*\) B)$/\1/p'; }

for f in named redirected piped; do
	zstd -q -dc $f.zst | cmp - module
done
echo "window of a named file: $(window named.zst) B, of standard input: $(window piped.zst) B"
! cmp -s named.zst redirected.zst || changed "a redirected file compresses to the named file's bytes"
cmp -s redirected.zst piped.zst || changed "a redirected file differs from a pipe"
[ "$(window piped.zst)" = 8388608 ] || changed "the window from a pipe is $(window piped.zst)"
[ "$(window named.zst)" -le 1024 ] || changed "the window from a named file is $(window named.zst)"
zstd -lv named.zst 2>/dev/null | grep -q '^Decompressed Size:' || changed "the named file's frame has no content size"
! zstd -lv piped.zst 2>/dev/null | grep -q '^Decompressed Size:' || changed "the pipe's frame has a content size"
zstd -q -dc --memory=1MiB named.zst >out
! zstd -q -dc --memory=1MiB piped.zst >out 2>&1 || changed "1 MiB of window now serves both"
