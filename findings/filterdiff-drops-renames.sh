#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: filterdiff and lsdiff of patchutils 0.4.2 (Debian 12), on what git 2.39.5 writes.
# Guess: filterdiff without options passes a patch on whole, and lsdiff names every file that it touches.
# Seen: a section without a hunk is left out by both, without a word and with exit 0: a rename of an unchanged file and a
#   change of mode alone. A renamed file that is also changed stays.
# Output seen: "git: 3 sections; lsdiff: 1; filterdiff: 1 section; exit codes 0 and 0".
# Why it matters: a vendor's patch that passes through such a filter (distributions split and sort kernel patches with
#   it) loses renames and the x of scripts; the tree that comes out still patches cleanly and then does not build. Count sections
#   before and after, or filter with git apply --include.
set -euo pipefail
pins=(patchutils=0.4.2-1 git=1:2.39.5-0+deb12u3)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export PATH=$tmp/fs/usr/bin:$PATH
changed() { echo "changed: $*" >&2; exit 1; }
export GIT_EXEC_PATH=$tmp/fs/usr/lib/git-core GIT_TEMPLATE_DIR=$tmp/fs/usr/share/git-core/templates
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null

git init -q linux; cd linux
seq 20 >old.c; seq 40 60 >both.c; printf '#!/bin/sh\n' >build.sh
git add .; git -c user.name=x -c user.email=x commit -qm before
git mv old.c new.c; git mv both.c changed.c; sed -i 's/^50$/fifty/' changed.c; chmod +x build.sh
git add .; git diff --cached -M >../all.patch
[ "$(grep -c '^diff --git' ../all.patch)" = 3 ] || { echo "cannot tell: git does not find the renames" >&2; exit 3; }
list=0; lsdiff ../all.patch >../list || list=$?
filter=0; filterdiff ../all.patch >../filtered || filter=$?
seen="git: 3 sections; lsdiff: $(wc -l <../list); filterdiff: $(grep -c '^diff --git' ../filtered) section; exit codes $list and $filter"
echo "$seen"
[ "$seen" = "git: 3 sections; lsdiff: 1; filterdiff: 1 section; exit codes 0 and 0" ] || changed "$seen"
grep -q '^rename to changed.c' ../filtered || changed "the renamed and changed file is gone, too"
