#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: GNU patch 2.7.6 (Debian 12).
# Guess: `patch --dry-run` exits with 0 exactly for what `patch` then applies.
# Seen: a patch that changes one file in two sections, the second on what the first wrote (a series joined by cat, a
#   combined stable update), fails the dry run: each section is tried on the file as it lies on the disk. The
#   real run applies all, exit 0. `git apply --check` of the same text is 0.
# Output seen: "dry run: exit 1, real run: exit 0, git apply --check: exit 0".
# Why it matters: a check before a build refuses a good kernel patch, or is switched off for it. Try a patch in a copy of the
#   files it names, or with git apply --check where no fuzz is wanted.
set -euo pipefail
pins=(patch=2.7.6-7 git=1:2.39.5-0+deb12u3)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export PATH=$tmp/fs/usr/bin:$PATH
changed() { echo "changed: $*" >&2; exit 1; }
export GIT_EXEC_PATH=$tmp/fs/usr/lib/git-core GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_CEILING_DIRECTORIES=$tmp

mkdir linux; cd linux
section() { printf -- '--- a/Makefile\n+++ b/Makefile\n@@ -1,3 +1,3 @@\n VERSION = 6\n-SUBLEVEL = %s\n+SUBLEVEL = %s\n NAME = x\n' "$1" "$2"; }
printf 'VERSION = 6\nSUBLEVEL = 1\nNAME = x\n' >Makefile
{ section 1 2; section 2 3; } >../joined.patch
dry=0; patch -p1 --dry-run <../joined.patch >../log || dry=$?
check=0; git apply --check -p1 ../joined.patch || check=$?
grep -q 'SUBLEVEL = 1' Makefile || changed "the dry run writes"
real=0; patch -p1 <../joined.patch >../log || real=$?
echo "dry run: exit $dry, real run: exit $real, git apply --check: exit $check"
[ "$dry $real $check" = "1 0 0" ] || changed "other exit codes"
grep -q 'SUBLEVEL = 3' Makefile || changed "the real run does not apply all"
