#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build.sh TREE VERSION OUT: make ovzpatch's own deb and rpm, into OUT, of an installed tree, as
#   make install DESTDIR=TREE PREFIX=/usr
# leaves it. The tree gets one file more, by which the next upgrade knows how this release locks.
set -eu
[ $# = 3 ] || { sed -n '4,6s/^# //p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" "$3"
tree=$(cd "$1" && pwd) version=$2 out=$(cd "$3" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

install -D -m 0644 /dev/null "$tree/usr/lib/ovzpatch/locks-under-run"

mkdir -m 0755 "$work/deb"
cp -a "$tree/." "$work/deb"
install -D -m 0755 "$here/debian/preinst" "$work/deb/DEBIAN/preinst"
sed "s/@VERSION@/$version/; s/@ARCH@/$(dpkg --print-architecture)/" "$here/debian/control" >"$work/deb/DEBIAN/control"
install -D -m 0644 "$here/debian/copyright" "$work/deb/usr/share/doc/ovzpatch/copyright"
dpkg-deb --root-owner-group --build "$work/deb" "$out" >&2

rpmbuild -bb --quiet --define "_topdir $work/rpm" --define "_rpmdir $out" --define "_build_id_links none" \
	--define "ovz_version $version" --define "ovz_tree $tree" "$here/ovzpatch.spec" >&2
