#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: depmod of kmod 34.2 (Debian 13), beside that of kmod 30 (Debian 12).
# Guess: what an old kernel needs of a new system to be built is a compiler that still takes it; its own
#   `make INSTALL_MOD_PATH=DIR modules_install`, which calls `depmod -ae -F System.map -b DIR -r RELEASE`, works with any kmod.
# Seen: kmod 30 takes -r, and writes modules.dep as without it. kmod 34.2 calls it an invalid option, ends with 1
#   and writes no modules.dep. So the build of such a kernel (2.6.18) fails when all of it is compiled.
# Output seen: "kmod 30: with -r exit 0, as without; kmod 34: with -r exit 1, no modules.dep, without exit 0".
# Why it matters: it comes after the hour of compiling. Give make depmod_opts="-b DIR", which takes the place of the makefile's own.
set -euo pipefail
old=(kmod=30+20221128-1 libkmod2=30+20221128-1 libssl3=3.0.22-1~deb12u2)
new=(kmod=34.2-2 libkmod2=34.2-2 libc6=2.41-12+deb13u5 liblzma5=5.8.1-1+deb13u2 libssl3t64=3.5.9-1~deb13u1 libzstd1=1.5.7+dfsg-1
	zlib1g=1:1.3.dfsg+really1.3.1-1+deb13u1)
cannot() { echo "cannot tell: $*" >&2; exit 3; }
changed() { echo "changed: $*" >&2; exit 1; }
[ "$(dpkg --print-architecture)" = amd64 ] || cannot "the pins are amd64's"
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir -p {old,new}/{debs,fs} apt/lists/partial apt/cache/archives/partial
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v -- -security | head -n 1)
[ -n "$mirror" ] || cannot "apt has no sources here"
echo "deb $mirror trixie main" >sources.list
apt=(-qq -o APT::Sandbox::User=root -o Dir::Etc::SourceList="$tmp/sources.list" -o Dir::Etc::SourceParts=/nowhere
	-o Dir::State::Lists="$tmp/apt/lists" -o Dir::Cache="$tmp/apt/cache")
apt-get "${apt[@]}" update >log 2>&1 || cannot "no list of the packages: $(tail -n 1 log)"
(cd old/debs && apt-get -qq -o APT::Sandbox::User=root download "${old[@]}" >../../log 2>&1) || cannot "a pinned version is not served (any more), or apt-get update never ran: $(tail -n 1 log)"
(cd new/debs && apt-get "${apt[@]}" download "${new[@]}" >../../log 2>&1) || cannot "a pinned version is not served (any more): $(tail -n 1 log)"
for d in old new; do
	mkdir -p $d/fs/usr/{bin,lib,lib64,sbin}
	for dir in bin lib lib64 sbin; do ln -s usr/$dir $d/fs/$dir; done
	for deb in $d/debs/*.deb; do dpkg --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --no-same-owner -C $d/fs; done
	ln -sf kmod $d/fs/bin/depmod # the package's own link may be absolute
done
lib=usr/lib/x86_64-linux-gnu
kmod30() { LD_LIBRARY_PATH=$tmp/old/fs/$lib "$tmp/old/fs/bin/depmod" "$@"; }
# A libc of its own comes with its own loader, which tells the program its name.
kmod34() { "$tmp/new/fs/$lib/ld-linux-x86-64.so.2" --argv0 depmod --library-path "$tmp/new/fs/$lib" "$tmp/new/fs/bin/kmod" "$@"; }
case "$(kmod30 -V | head -n 1), $(kmod34 -V | head -n 1)" in
"kmod version 30, kmod version 34.2") ;;
*) cannot "these are kmod $(kmod30 -V | head -n 1) and $(kmod34 -V | head -n 1)" ;;
esac
: >System.map
try() { # KMOD OPTIONS...: its exit code, and modules.dep
	rm -rf image
	mkdir -p image/lib/modules/2.6.18/kernel
	touch image/lib/modules/2.6.18/modules.{order,builtin}
	local code=0
	"$1" -ae -F System.map -b image "${@:2}" 2.6.18 2>err || code=$?
	if [ -e image/lib/modules/2.6.18/modules.dep ]; then echo "exit $code"; else echo "exit $code, no modules.dep"; fi
}
[ "$(try kmod30)" = "$(try kmod30 -r)" ] && same="as without" || same="unlike without: $(try kmod30)"
seen="kmod 30: with -r $(try kmod30 -r), $same; kmod 34: with -r $(try kmod34 -r), without $(try kmod34)"
echo "$seen"
[ "$seen" = "kmod 30: with -r exit 0, as without; kmod 34: with -r exit 1, no modules.dep, without exit 0" ] || changed "$seen"
try kmod34 -r >/dev/null
grep -q "invalid option -- 'r'" err || changed "it says: $(cat err)"
