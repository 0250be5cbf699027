#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: mergerepo_c and createrepo_c 0.17.3, packages made by rpm 4.18.0 (Debian 12).
# Guess: merging two repositories gives all packages of both; at most, the newest of each name is kept.
# Seen: by default the repository named first wins for each name and architecture. A newer kernel in the
#   second is left out, with exit 0 and nothing printed. --method=nvr keeps the newest only; it takes --all to
#   keep both.
# Output seen: "default: 1; other way round: 2; --method=nvr: 2; --all: 1 2" (what is kept of releases 1 and 2).
# Why it matters: kernels are installed side by side, and a repository is there to hold several. Merging the
#   repaired kernel behind the vendor's publishes metadata in which the repaired one does not exist.
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
Release: %{rel}
Summary: kernel
License: GPLv2
%description
kernel
%files
SPEC
for rel in 1 2; do
	rpmbuild -bb --nodeps -D "rel $rel" -D "_topdir $tmp/top" -D "_rpmdir $tmp/repo$rel" kernel.spec >log 2>&1 ||
		{ cat log; changed "rpmbuild fails"; }
	createrepo_c -q "repo$rel"
done
merged() {
	said=$(mergerepo_c -r "$tmp/repo$1" -r "$tmp/repo$2" -o "$tmp/out" "${@:3}" 2>&1) || changed "mergerepo_c fails: $said"
	[ -z "$said" ] || changed "mergerepo_c says: $said"
	zcat out/repodata/*-primary.xml.gz | sed -n 's/.*<version .*rel="\([0-9]*\)".*/\1/p' | sort | xargs
	rm -r out
}
default=$(merged 1 2) reversed=$(merged 2 1) newest=$(merged 1 2 --method=nvr) all=$(merged 1 2 --all)
echo "default: $default; other way round: $reversed; --method=nvr: $newest; --all: $all"
[ "$default" = 1 ] || changed "by default mergerepo_c keeps $default"
[ "$reversed" = 2 ] || changed "with the newer named first mergerepo_c keeps $reversed"
[ "$newest" = 2 ] || changed "--method=nvr keeps $newest"
[ "$all" = "1 2" ] || changed "--all keeps $all"
