#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: zypper 1.14.42 with libzypp 17.25.7 (Debian 12), in a root of its own; nothing is asked of a network.
# Guess: `zypper --non-interactive addrepo --no-check FILE.repo` either writes down all repositories of the file, as --no-check asks
#   for no look at them, or ends with an error.
# Seen: a repository that has a mirrorlist is looked at all the same: the list is fetched at once. Where it cannot be, that
#   repository and those whose names come after it are left out, those before it are added, and the exit code is 0. The same file,
#   copied to /etc/zypp/repos.d, is taken whole.
# Output seen: "addrepo: exit 0, added: archive; copied: archive mirrored plain".
# Why it matters: hosts that are set up by a script before the repository is up, or behind a proxy, lack the kernels' repository
#   and nothing says so. Ask `zypper repos ALIAS` afterwards, or put the file into /etc/zypp/repos.d.
set -euo pipefail
pins=(zypper=1.14.42-2 libzypp1722=17.25.7-2.4 libsolv1=0.7.23-1+deb12u1 libsolvext1=0.7.23-1+deb12u1 libproxy1v5=0.4.18-1.2
	libyaml-cpp0.7=0.7.0+dfsg-8+b1 libsigc++-2.0-0v5=2.12.0-1 libaugeas0=1.14.0-1+deb12u1 libboost-thread1.74.0=1.74.0+ds1-21
	librpm9=4.18.0+dfsg-1+deb12u1 librpmio9=4.18.0+dfsg-1+deb12u1 liblua5.3-0=5.3.6-2)
# What these link besides; their versions do not matter here.
libs=(libassuan0 libbrotli1 libcurl4 libexpat1 libglib2.0-0 libgpgme11 libicu72 libldap-2.5-0 libnghttp2-14 libpopt0 libpsl5
	libreadline8 librtmp1 libsasl2-2 libsqlite3-0 libssh2-1 libssl3 libxml2)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}" "${libs[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export PATH=$tmp/fs/usr/bin:$PATH LD_LIBRARY_PATH=$tmp/fs/usr/lib/x86_64-linux-gnu:$tmp/fs/lib/x86_64-linux-gnu
changed() { echo "changed: $*" >&2; exit 1; }
zypper --version | grep -qx 'zypper 1.14.42' || { echo "cannot tell: zypper does not run" >&2; exit 3; }

cat >kernels.repo <<'REPO'
[mirrored]
name=mirrored
enabled=1
gpgcheck=0
mirrorlist=http://127.0.0.1:9/list

[archive]
name=archive
enabled=1
gpgcheck=0
baseurl=http://127.0.0.1:9/archive

[plain]
name=plain
enabled=1
gpgcheck=0
baseurl=http://127.0.0.1:9/plain
REPO
# The names of the repositories that a root has.
names() { zypper --root "$1" --non-interactive repos 2>/dev/null | awk -F'|' '$1 ~ /^ *[0-9]+ *$/ {gsub(/ /, "", $2); print $2}' | sort | xargs; }
mkdir -p added copied/etc/zypp/repos.d
code=0; zypper --root "$tmp/added" --non-interactive addrepo --no-check "$tmp/kernels.repo" >log 2>&1 || code=$?
cp kernels.repo copied/etc/zypp/repos.d/
seen="addrepo: exit $code, added: $(names "$tmp/added"); copied: $(names "$tmp/copied")"
echo "$seen"
[ "$seen" = "addrepo: exit 0, added: archive; copied: archive mirrored plain" ] || { cat log >&2; changed "$seen"; }
