#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tools: dnf 4.14.0 with repoclosure of dnf-plugins-core 4.3.1, createrepo_c 0.17.3 (Debian 12).
# Guess: repoclosure looks for packages that could not be installed. A source RPM is never installed from a
#   repository, so what it wants for its build is no unmet dependency, as `dnf repoquery --unsatisfied` does not
#   count it either.
# Seen: repoclosure takes the BuildRequires of a source RPM beside the binary packages for its requirements, names the
#   source RPM with "unresolved deps", and ends with 1. With --arch noarch (or x86_64), which leaves the sources
#   out, the same repository is whole.
# Output seen: "repoclosure 1, for kernel-x-1-1.src; with --arch noarch 0".
# Why it matters: who publishes a kernel with its source RPM in one repository and lets repoclosure decide about
#   the switch never publishes, unless bison and flex are in that repository as well; and a check of the
#   --arch kind misses nothing that a client would install.
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
pins+=(dnf=4.14.0-3+deb12u1 python3-dnf=4.14.0-3+deb12u1 dnf-data=4.14.0-3+deb12u1 dnf-plugins-core=4.3.1-3
	python3-hawkey=0.69.0-2 python3-libdnf=0.69.0-2 libdnf2=0.69.0-2 libdnf2-common=0.69.0-2 librepo0=1.14.5-3
	libsolv1=0.7.23-1+deb12u1 libsolvext1=0.7.23-1+deb12u1 python3-libcomps=0.1.19-2 libcomps0=0.1.19-2
	python3-gpg=1.18.0-3+deb12u1 libgpgme11=1.18.0-3+deb12u1 libassuan0=2.5.5-5 python3-rpm=4.18.0+dfsg-1+deb12u1
	librpmsign9=4.18.0+dfsg-1+deb12u1 python3-dateutil=2.8.2-2 python3-six=1.16.0-4 python3-dbus=1.3.2-4+b1
	libdbus-1-3=1.14.10-1~deb12u1 libjson-c5=0.16-2 libsmartcols1=2.38.1-5+deb12u3 libexpat1=2.5.0-1+deb12u5
	python3.11=3.11.2-6+deb12u9 python3.11-minimal=3.11.2-6+deb12u9 libpython3.11-minimal=3.11.2-6+deb12u9
	libpython3.11-stdlib=3.11.2-6+deb12u9 libpython3.11=3.11.2-6+deb12u9 libcurl3-gnutls=7.88.1-10+deb12u15
	libgnutls30=3.7.9-2+deb12u7 libffi8=3.4.4-1 libncursesw6=6.4-4 libsystemd0=252.39-1~deb12u2)
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
Name: kernel-x
Version: 1
Release: 1
Summary: kernel
License: GPLv2
BuildArch: noarch
BuildRequires: flex
%description
kernel
%files
SPEC
mkdir repo
rpmbuild -ba --nodeps -D "_topdir $tmp/top" kernel.spec >log 2>&1 || { cat log; changed "rpmbuild fails"; }
cp top/RPMS/*/*.rpm top/SRPMS/*.rpm repo
createrepo_c -q repo
cat >dnf.conf <<CONF
[main]
reposdir=$tmp/none
varsdir=$tmp/none
pluginpath=$tmp/fs/usr/lib/python3/dist-packages/dnf-plugins
cachedir=$tmp/cache
persistdir=$tmp/persist
logdir=$tmp
gpgcheck=0
[kernels]
name=kernels
baseurl=file://$tmp/repo
CONF
export PYTHONPATH=$tmp/fs/usr/lib/python3/dist-packages
# closure OPTION...: runs it, and sets code.
closure() {
	code=0
	python3.11 "$tmp/fs/usr/bin/dnf-3" -q --config dnf.conf --releasever=1 --installroot="$tmp/root" repoclosure "$@" >log 2>&1 || code=$?
}
closure
all=$code named=$(sed -n 's/^package: \(.*\) from .*/\1/p' log)
grep -q 'flex' log || { cat log; changed "flex is not missed, exit $all"; }
closure --arch noarch
[ "$all $named $code" = "1 kernel-x-1-1.src 0" ] || { cat log; changed "repoclosure $all, for $named; with --arch noarch $code"; }
echo "repoclosure $all, for $named; with --arch noarch $code"
