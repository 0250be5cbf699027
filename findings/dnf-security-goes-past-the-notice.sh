#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tools: dnf 4.14.0, createrepo_c 0.17.3 (Debian 12).
# Guess: `dnf upgrade --security` installs what security notices name: of kernels 1 (installed), 2 (with a notice) and 3 (without one)
#   it is 2. What has no notice stays away, as the option's name says.
# Seen: it installs 3. A notice only lets the package in; what is installed is the newest at or above the version that the notice names.
#   `dnf upgrade-minimal --security` installs 2.
# Output seen: "upgrade --security: 3; upgrade-minimal --security: 2".
# Why it matters: a kernel that was put into the repository for a few test nodes, without a notice, reaches every node that takes
#   only security updates, as soon as any older kernel has a notice. Keep it in a repository of its own.
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
pins+=(dnf=4.14.0-3+deb12u1 python3-dnf=4.14.0-3+deb12u1 dnf-data=4.14.0-3+deb12u1
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

mkdir repo
for version in 1 2 3; do
	cat >kernel.spec <<-SPEC
		Name: kernel-x
		Version: $version
		Release: 1
		Summary: kernel
		License: GPLv2
		BuildArch: noarch
		%description
		kernel
		%files
	SPEC
	rpmbuild -bb --nodeps -D "_topdir $tmp/top" kernel.spec >log 2>&1 || { cat log; changed "rpmbuild fails"; }
done
cp top/RPMS/*/*.rpm repo
createrepo_c -q repo
cat >updateinfo.xml <<'XML'
<?xml version="1.0" encoding="UTF-8"?>
<updates>
<update from="release@example.org" status="final" type="security" version="1">
<id>EXAMPLE-1</id><title>a notice</title><severity>Important</severity><issued date="2026-01-01 00:00:00"/><description>a notice</description><references/>
<pkglist><collection short="c"><name>c</name>
<package name="kernel-x" epoch="0" version="2" release="1" arch="noarch"><filename>kernel-x-2-1.noarch.rpm</filename></package>
</collection></pkglist>
</update>
</updates>
XML
modifyrepo_c updateinfo.xml repo/repodata >log 2>&1 || { cat log; changed "modifyrepo_c fails"; }
cat >dnf.conf <<CONF
[main]
reposdir=$tmp/none
varsdir=$tmp/none
plugins=0
cachedir=$tmp/cache
persistdir=$tmp/persist
logdir=$tmp
gpgcheck=0
[kernels]
name=kernels
baseurl=file://$tmp/repo
CONF
export PYTHONPATH=$tmp/fs/usr/lib/python3/dist-packages
# left ROOT COMMAND...: the version that is installed after kernel 1 and the command.
left() {
	local root=$tmp/$1; shift
	for command in "install kernel-x-1" "$*"; do
		python3.11 "$tmp/fs/usr/bin/dnf-3" -q -y --config dnf.conf --releasever=1 --installroot="$root" $command >log 2>&1 || { cat log >&2; changed "dnf $command fails"; }
	done
	rpm --root "$root" -q --qf '%{version}' kernel-x
}
all=$(left a upgrade --security) minimal=$(left b upgrade-minimal --security)
[ "$all $minimal" = "3 2" ] || changed "upgrade --security: $all; upgrade-minimal --security: $minimal"
echo "upgrade --security: $all; upgrade-minimal --security: $minimal"
