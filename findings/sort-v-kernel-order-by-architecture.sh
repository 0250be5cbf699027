#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tools: sort of coreutils 9.1, and rpm 4.18.0 (Debian 12).
# Guess: `sort -V` orders kernel releases as rpm does, at least those of one distribution, and the
#   architecture at the end, the same in every line, cannot change the order.
# Seen: for x86_64 the first kernel of a minor release (427.el9) sorts ABOVE its own updates (427.13.1.el9);
#   for aarch64 the same two sort the right way. sort sets aside a tail that looks like file suffixes before it
#   compares. ".el9.aarch64" is such a tail, ".el9.x86_64" is not, for its underscore; written without the
#   underscore the order is right again. rpm says "the update is newer" in each case.
# Output seen: x86_64 newest by sort -V: 5.14.0-427.el9.x86_64; aarch64: 5.14.0-427.13.1.el9.aarch64.
# Why it matters: `ls /lib/modules | sort -V | tail -1` boots or rebuilds the older kernel, on one architecture only.
set -euo pipefail
pins=(rpm=4.18.0+dfsg-1+deb12u1 rpm-common=4.18.0+dfsg-1+deb12u1 librpm9=4.18.0+dfsg-1+deb12u1
	librpmio9=4.18.0+dfsg-1+deb12u1 librpmbuild9=4.18.0+dfsg-1+deb12u1 librpmsign9=4.18.0+dfsg-1+deb12u1
	libpopt0=1.19+dfsg-1 liblua5.3-0=5.3.6-2 libsqlite3-0=3.40.1-2+deb12u2 libmagic1=1:5.44-3 libmagic-mgc=1:5.44-3
	libelf1=0.188-2.1 libdw1=0.188-2.1 libgomp1=12.2.0-14+deb12u1 libfsverity0=1.5-1.1 libssl3=3.0.22-1~deb12u2)
pins+=(coreutils=9.1-1)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export PATH=$tmp/fs/usr/bin:$tmp/fs/bin:$tmp/fs/sbin:$PATH
export LD_LIBRARY_PATH=$tmp/fs/usr/lib/x86_64-linux-gnu:$tmp/fs/lib/x86_64-linux-gnu
changed() { echo "changed: $*" >&2; exit 1; }
export RPM_CONFIGDIR=$tmp/fs/usr/lib/rpm HOME=$tmp LC_ALL=C

first=5.14.0-427.el9
update=5.14.0-427.13.1.el9
newest() { printf '%s\n' "$first.$1" "$update.$1" | sort -V | tail -n 1; }

for arch in x86_64 aarch64 x8664; do
	echo "$arch: newest by sort -V is $(newest $arch)"
	[ "$(rpm --eval "%{lua:print(rpm.vercmp('$update.$arch', '$first.$arch'))}")" = 1 ] ||
		changed "rpm no longer calls the update newer for $arch"
done
[ "$(newest x86_64)" = "$first.x86_64" ] || changed "x86_64 sorts as rpm does"
[ "$(newest aarch64)" = "$update.aarch64" ] || changed "aarch64 sorts otherwise than rpm"
[ "$(newest x8664)" = "$update.x8664" ] || changed "the underscore is not the cause"
