#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: rpmsign 4.18.0 with gpg 2.2.40 (Debian 12).
# Guess: rpmsign writes a new file and renames it over the old one, so a hard link made first keeps the unsigned
#   package. And --delsign undoes --addsign: the same bytes as before.
# Seen: where rpmbuild reserved room, --addsign writes into the package in place: same inode, same size, and every
#   hard link is signed too. --delsign does make a new file, but a shorter one: the reserved room is gone, so
#   its hash is neither that of the signed package nor that of the unsigned one.
# Output seen: "addsign: same inode, 2 names, size kept; delsign: new inode, size shrank, hash is a third one".
# Why it matters: `cp -l` is the cheap way to stage a repository or to keep what was built. Signing the stage
#   changes the kept original under its recorded hash, and "strip the signature, compare with our rebuild" never
#   matches on the whole file. Compare the header's and the payload's digests instead: these stay.
set -euo pipefail
pins=(rpm=4.18.0+dfsg-1+deb12u1 rpm-common=4.18.0+dfsg-1+deb12u1 librpm9=4.18.0+dfsg-1+deb12u1
	librpmio9=4.18.0+dfsg-1+deb12u1 librpmbuild9=4.18.0+dfsg-1+deb12u1 librpmsign9=4.18.0+dfsg-1+deb12u1
	libpopt0=1.19+dfsg-1 libreadline8=8.2-1.3 liblua5.3-0=5.3.6-2 libsqlite3-0=3.40.1-2+deb12u2 libmagic1=1:5.44-3
	libmagic-mgc=1:5.44-3 libelf1=0.188-2.1 libdw1=0.188-2.1 libgomp1=12.2.0-14+deb12u1 libfsverity0=1.5-1.1 libssl3=3.0.22-1~deb12u2)
pins+=(gpg=2.2.40-1.1+deb12u2 gpg-agent=2.2.40-1.1+deb12u2 gpgconf=2.2.40-1.1+deb12u2
	libassuan0=2.5.5-5 libnpth0=1.6-3)
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
mv repo/*/*.rpm a.rpm
ln a.rpm kept.rpm
hash() { sha256sum <"$1"; }
inside() { rpm -qp --qf '%{SHA256HEADER} %{PAYLOADDIGEST}' "$1" 2>/dev/null; }
unsigned=$(hash kept.rpm) size=$(stat -c %s kept.rpm) inside=$(inside kept.rpm)

sign --addsign a.rpm
signed=$(hash a.rpm)
[ "$signed" != "$unsigned" ] || changed "--addsign left the package as it was"
[ a.rpm -ef kept.rpm ] || changed "--addsign now makes a new file"
[ "$(stat -c %s a.rpm)" = "$size" ] || changed "--addsign changes the size"

sign --delsign a.rpm
! [ a.rpm -ef kept.rpm ] || changed "--delsign now writes in place"
[ "$(hash kept.rpm)" = "$signed" ] || changed "the hard link is not the signed package"
[ "$(stat -c %s a.rpm)" -lt "$size" ] || changed "--delsign keeps the size"
[ "$(hash a.rpm)" != "$unsigned" ] || changed "--delsign restores the package's bytes"
[ "$(inside a.rpm)" = "$inside" ] && [ "$(inside kept.rpm)" = "$inside" ] || changed "the digests inside changed"
echo "addsign: same inode, 2 names, size kept; delsign: new inode, size shrank, hash is a third one"
