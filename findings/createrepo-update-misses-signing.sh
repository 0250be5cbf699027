#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tools: createrepo_c 0.17.3 over packages signed by rpmsign 4.18.0 (Debian 12).
# Guess: `createrepo_c --update` trusts size and time of a package, as its manual says; but a signature adds
#   bytes, so a package that was signed after the first run is read again whatever its time.
# Seen: rpmsign fills room that rpmbuild reserved, so the size stays. Where the time stays too (restored, or
#   set to one fixed value for reproducible builds), --update publishes the unsigned package's checksum for the
#   signed file, with exit 0 and no warning. A run without --update is right.
# Output seen: "after --update: metadata still has the unsigned package's checksum".
# Why it matters: build, index, sign, index again is the natural order. A client that checks what it downloaded
#   then refuses the kernel, and nothing in the publishing run's log says why.
set -euo pipefail
pins=(rpm=4.18.0+dfsg-1+deb12u1 rpm-common=4.18.0+dfsg-1+deb12u1 librpm9=4.18.0+dfsg-1+deb12u1
	librpmio9=4.18.0+dfsg-1+deb12u1 librpmbuild9=4.18.0+dfsg-1+deb12u1 librpmsign9=4.18.0+dfsg-1+deb12u1
	libpopt0=1.19+dfsg-1 libreadline8=8.2-1.3 liblua5.3-0=5.3.6-2 libsqlite3-0=3.40.1-2+deb12u2 libmagic1=1:5.44-3
	libmagic-mgc=1:5.44-3 libelf1=0.188-2.1 libdw1=0.188-2.1 libgomp1=12.2.0-14+deb12u1 libfsverity0=1.5-1.1 libssl3=3.0.22-1~deb12u2)
pins+=(gpg=2.2.40-1.1+deb12u2 gpg-agent=2.2.40-1.1+deb12u2 gpgconf=2.2.40-1.1+deb12u2
	libassuan0=2.5.5-5 libnpth0=1.6-3)
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
export RPM_CONFIGDIR=$tmp/fs/usr/lib/rpm HOME=$tmp GNUPGHOME=$tmp/keys
mkdir -m 700 keys
echo "agent-program $tmp/fs/usr/bin/gpg-agent" >keys/gpg.conf
trap 'gpg-connect-agent --no-autostart killagent /bye >log 2>&1; rm -rf "$tmp"' EXIT
gpg -q --batch --passphrase '' --quick-gen-key signer@example.org rsa2048 sign never 2>log || { cat log; changed "no key"; }
sign() {
	rpmsign -D '_gpg_name signer@example.org' -D "__gpg $tmp/fs/usr/bin/gpg" "$@" >log 2>&1 ||
		{ cat log; changed "rpmsign $1 fails"; }
}

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
package=$(echo repo/*/*.rpm)
published() { zcat repo/repodata/*-primary.xml.gz | sed -n 's/.*<checksum type="sha256" pkgid="YES">\([0-9a-f]*\)<.*/\1/p'; }
hash() { sha256sum "$package" | cut -d ' ' -f 1; }

touch -d @1600000000 "$package"
createrepo_c -q repo
unsigned=$(hash)
[ "$(published)" = "$unsigned" ] || changed "the first run is wrong already"

sign --addsign "$package"
touch -d @1600000000 "$package"
[ "$(hash)" != "$unsigned" ] || changed "signing left the package as it was"
said=$(createrepo_c -q --update repo 2>&1) || changed "--update fails: $said"
[ -z "$said" ] || changed "--update says: $said"
[ "$(published)" = "$unsigned" ] || changed "--update sees that the package was signed"
echo "after --update: metadata still has the unsigned package's checksum"
createrepo_c -q repo
[ "$(published)" = "$(hash)" ] || changed "a run without --update is wrong as well"
