#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: git 2.39.5 (Debian 12).
# Guess: in a plain directory, `git apply -p1 x.patch` works as `patch -p1` does: it changes the file, or it fails.
# Seen: where that directory lies somewhere below any git repository, a patch in git's own format (with a
#   "diff --git" line) is skipped without a word. Exit 0, nothing printed, file unchanged. `--check` and
#   `-R --check` both exit 0, so "fits" and "is in already" are both told of the same tree. The same hunk without
#   the "diff --git" line is applied. GIT_CEILING_DIRECTORIES at the tree's parent makes both work.
# Output seen: "git format: exit 0, file says old", "plain format: exit 0, file says new".
# Why it matters: a kernel's tree is unpacked into a build folder of a checkout every day. The build that follows
#   is of the unpatched kernel, under the patched name.
set -euo pipefail
pins=(git=1:2.39.5-0+deb12u3)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export PATH=$tmp/fs/usr/bin:$tmp/fs/bin:$tmp/fs/sbin:$PATH
export LD_LIBRARY_PATH=$tmp/fs/usr/lib/x86_64-linux-gnu:$tmp/fs/lib/x86_64-linux-gnu
changed() { echo "changed: $*" >&2; exit 1; }
export GIT_EXEC_PATH=$tmp/fs/usr/lib/git-core GIT_TEMPLATE_DIR=$tmp/fs/usr/share/git-core/templates
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null

git init -q project
mkdir -p project/build/linux
cd project/build/linux
hunk='--- a/super.c\n+++ b/super.c\n@@ -1 +1 @@\n-old\n+new\n'
printf -- "$hunk" >../plain.patch
printf "diff --git a/super.c b/super.c\n$hunk" >../git.patch

echo old >super.c
said=$(git apply -p1 ../git.patch 2>&1) || changed "git apply now fails on a patch it used to skip: $said"
echo "git format: exit 0, file says $(cat super.c)"
[ -z "$said" ] || changed "git apply now says: $said"
[ "$(cat super.c)" = old ] || changed "the patch in git's format is applied"
git apply --check -p1 ../git.patch || changed "--check now fails"
git apply --check -R -p1 ../git.patch || changed "-R --check now fails"

git apply -p1 ../plain.patch
echo "plain format: exit 0, file says $(cat super.c)"
[ "$(cat super.c)" = new ] || changed "the plain patch is not applied either"

echo old >super.c
GIT_CEILING_DIRECTORIES=$tmp/project/build git apply -p1 ../git.patch
[ "$(cat super.c)" = new ] || changed "GIT_CEILING_DIRECTORIES does not help"
