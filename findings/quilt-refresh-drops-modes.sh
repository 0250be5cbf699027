#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: quilt 0.66 with GNU patch 2.7.6 (Debian 12).
# Guess: `quilt push; quilt refresh; quilt pop; quilt push` ends with the tree that the first push made: refresh rewrites the
#   patch's offsets and context, not what it does.
# Seen: a change of mode ("new mode 100755") is applied by the first push and counted among the patch's files, and refresh
#   writes the patch without it, exit 0. The second push makes the file without x.
# Output seen: "first push: 755; refresh: exit 0, modes in the patch: 0; second push: 644".
# Why it matters: scripts/*.sh that a kernel patch makes executable are called by the kernel's Makefiles; after one refresh the
#   series applies as ever and the build stops at "Permission denied", or a script is skipped. Compare modes after a refresh.
set -euo pipefail
pins=(quilt=0.67+really0.66-1 patch=2.7.6-7)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export PATH=$tmp/fs/usr/bin:$PATH
changed() { echo "changed: $*" >&2; exit 1; }
export QUILT_DIR=$tmp/fs/usr/share/quilt
quilt() { bash "$tmp/fs/usr/bin/quilt" --quiltrc - "$@"; }

mkdir -p linux/patches; cd linux
printf '#!/bin/sh\n' >gen.sh; chmod 644 gen.sh; seq 9 >a.c
printf '%s\n' 'diff --git a/gen.sh b/gen.sh' 'old mode 100644' 'new mode 100755' 'diff --git a/a.c b/a.c' '--- a/a.c' '+++ b/a.c' \
	'@@ -1,2 +1,2 @@' ' 1' '-2' '+two' >patches/mode.patch
echo mode.patch >patches/series
quilt push >../log || changed "the patch is not applied"
first=$(stat -c %a gen.sh)
code=0; quilt refresh >../log || code=$?
modes=$(grep -c '^new mode' patches/mode.patch || true)
quilt pop >../log; quilt push >../log
seen="first push: $first; refresh: exit $code, modes in the patch: $modes; second push: $(stat -c %a gen.sh)"
echo "$seen"
[ "$seen" = "first push: 755; refresh: exit 0, modes in the patch: 0; second push: 644" ] || changed "$seen"
grep -q '^+two' patches/mode.patch && grep -qx two a.c || changed "the other change is gone, too"
