#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: rpmspec and rpm 4.18.0 (Debian 12).
# Guess: a subpackage's own `Version:` belongs to that subpackage. %{version} further down is the kernel's again,
#   surely so in the %files of the main package.
# Seen: the last Version: read so far wins for the rest of the spec. The main package keeps the right version in
#   its name, but all paths written with %{version} below that line, in %install and in every %files, hold the
#   subpackage's. Release: does the same to %{release}.
# Output seen: "kernel-5.14.0-427" owns "/lib/modules/7.3.0-1".
# Why it matters: kernel specs carry tools with a version of their own (bpftool, perf). One more such subpackage
#   put in front of %install moves /lib/modules, /boot and the kernel's release string; what checks only the
#   package's name and version notices nothing.
set -euo pipefail
pins=(rpm=4.18.0+dfsg-1+deb12u1 rpm-common=4.18.0+dfsg-1+deb12u1 librpm9=4.18.0+dfsg-1+deb12u1
	librpmio9=4.18.0+dfsg-1+deb12u1 librpmbuild9=4.18.0+dfsg-1+deb12u1 librpmsign9=4.18.0+dfsg-1+deb12u1
	libpopt0=1.19+dfsg-1 libreadline8=8.2-1.3 liblua5.3-0=5.3.6-2 libsqlite3-0=3.40.1-2+deb12u2 libmagic1=1:5.44-3
	libmagic-mgc=1:5.44-3 libelf1=0.188-2.1 libdw1=0.188-2.1 libgomp1=12.2.0-14+deb12u1 libfsverity0=1.5-1.1 libssl3=3.0.22-1~deb12u2)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export PATH=$tmp/fs/usr/bin:$tmp/fs/bin:$tmp/fs/sbin:$PATH
export LD_LIBRARY_PATH=$tmp/fs/usr/lib/x86_64-linux-gnu:$tmp/fs/lib/x86_64-linux-gnu
changed() { echo "changed: $*" >&2; exit 1; }
export RPM_CONFIGDIR=$tmp/fs/usr/lib/rpm HOME=$tmp

cat >kernel.spec <<'SPEC'
Name: kernel
Version: 5.14.0
Release: 427
Summary: main
License: GPLv2
%description
main
%package tool
Version: 7.3.0
Release: 1
Summary: tool
%description tool
tool
%files
/lib/modules/%{version}-%{release}
%files tool
/usr/bin/tool
SPEC

names=$(rpmspec -q --qf '%{name}-%{version}-%{release}\n' kernel.spec)
grep -qx kernel-5.14.0-427 <<<"$names" || changed "the main package is named otherwise: $names"
path=$(rpmspec -P kernel.spec | grep ^/lib/modules)
echo "kernel-5.14.0-427 owns $path"
[ "$path" = /lib/modules/7.3.0-1 ] || changed "%{version}-%{release} of the main %files is $path"

# The order alone decides: without the two lines all is as one would guess.
sed '/^Version: 7/d; /^Release: 1/d' kernel.spec >plain.spec
path=$(rpmspec -P plain.spec | grep ^/lib/modules)
[ "$path" = /lib/modules/5.14.0-427 ] || changed "without the subpackage's version the path is $path"
