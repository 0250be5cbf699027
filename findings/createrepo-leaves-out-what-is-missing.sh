#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: createrepo_c 0.17.3 over packages of rpmbuild 4.18.0 (Debian 12).
# Guess: --pkglist is a list of what must be in the repository. A listed package that is not there is an error, at
#   least with --error-exit-val, whose manual says that any error makes the exit code 2; and so is a link in the
#   directory to a package that is gone.
# Seen: by default both are left out, the metadata is written without them, and the exit code is 0. With
#   --error-exit-val the listed package is exit 2, but with --update as well it is 0 again, and the link is 0.
# Output seen: "plain 0, --update 0, --error-exit-val 2, both 0; a link to nothing 0, --error-exit-val 0".
# Why it matters: staging that moves, links or rsyncs packages while the list was made before publishes a
#   repository that lacks a kernel, and the job is green. Count the packages in the new primary metadata and
#   compare with the list before the repository is switched.
set -euo pipefail
pins=(rpm=4.18.0+dfsg-1+deb12u1 rpm-common=4.18.0+dfsg-1+deb12u1 librpm9=4.18.0+dfsg-1+deb12u1
	librpmio9=4.18.0+dfsg-1+deb12u1 librpmbuild9=4.18.0+dfsg-1+deb12u1 librpmsign9=4.18.0+dfsg-1+deb12u1
	libpopt0=1.19+dfsg-1 libreadline8=8.2-1.3 liblua5.3-0=5.3.6-2 libsqlite3-0=3.40.1-2+deb12u2 libmagic1=1:5.44-3
	libmagic-mgc=1:5.44-3 libelf1=0.188-2.1 libdw1=0.188-2.1 libgomp1=12.2.0-14+deb12u1 libfsverity0=1.5-1.1 libssl3=3.0.22-1~deb12u2)
pins+=(createrepo-c=0.17.3-2 libcreaterepo-c0=0.17.3-2 libmodulemd2=2.14.0-3 libdrpm0=0.5.1-1 libzck1=1.2.3+ds1-2
	libglib2.0-0=2.74.6-2+deb12u9 libxml2=2.9.14+dfsg-1.3~deb12u6 libicu72=72.1-3+deb12u1 libyaml-0-2=0.2.5-1
	libcurl4=7.88.1-10+deb12u15 libbrotli1=1.0.9-2+deb12u1 libgssapi-krb5-2=1.20.1-2+deb12u5 libkrb5-3=1.20.1-2+deb12u5
	libk5crypto3=1.20.1-2+deb12u5 libkrb5support0=1.20.1-2+deb12u5 libkeyutils1=1.6.3-2 libldap-2.5-0=2.5.13+dfsg-5
	libsasl2-2=2.1.28+dfsg-10+deb12u1 libnghttp2-14=1.52.0-1+deb12u3 libpsl5=0.21.2-1 libssh2-1=1.10.0-3+deb12u1
	librtmp1=2.4+20151223.gitfa8646d.1-2+b2)
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
Name: kernel-core
Version: 5.14.0
Release: 1
Summary: kernel
License: GPLv2
%description
kernel
%files
SPEC
rpmbuild -bb --nodeps -D "_topdir $tmp/top" -D "_rpmdir $tmp/repo" kernel.spec >log 2>&1 ||
	{ cat log; changed "rpmbuild fails"; }
mv repo/*/*.rpm a.rpm
sed -i 's/^Release: 1/Release: 2/' kernel.spec
rpmbuild -bb --nodeps -D "_topdir $tmp/top" -D "_rpmdir $tmp/repo" kernel.spec >log 2>&1 ||
	{ cat log; changed "rpmbuild fails"; }
mv repo/*/*.rpm b.rpm
published() { zcat "$1"/repodata/*-primary.xml.gz | grep -c '<package '; }

cp a.rpm b.rpm repo
printf '%s\n' a.rpm b.rpm >list
createrepo_c -q --pkglist list repo || changed "two good packages are refused"
[ "$(published repo)" = 2 ] || changed "two packages are not two"
rm repo/b.rpm
# said OPTION... DIRECTORY: runs it, and sets code.
said() { code=0; createrepo_c -q "$@" >log 2>&1 || code=$?; }
listed=
for how in "" --update --error-exit-val "--error-exit-val --update"; do
	said $how --pkglist list repo
	listed+=" $code"
	[ "$(published repo)" = 1 ] || changed "the package that is not there is published ($how)"
done
[ "$listed" = " 0 0 2 0" ] || changed "a listed package that is not there is exit$listed"

mkdir linked
cp a.rpm linked
ln -s "$tmp/gone.rpm" linked/b.rpm
linked=
for how in "" --error-exit-val; do
	said $how linked
	linked+=" $code"
	[ "$(published linked)" = 1 ] || changed "the link to nothing is published ($how)"
done
[ "$linked" = " 0 0" ] || changed "a link to nothing is exit$linked"
echo "plain 0, --update 0, --error-exit-val 2, both 0; a link to nothing 0, --error-exit-val 0"
