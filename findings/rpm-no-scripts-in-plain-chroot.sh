#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: rpm 4.20.1 as Debian 13 sets it up, with its unshare plugin; seen the same with 6.1.0 (sid).
# Guess: once `rpm` runs by chroot(8) in a directory with a whole system, a package's scripts run as on a machine
#   of its own; and `rpm -i` whose script could not be started at all does not end with 0.
# Seen: the plugin changes the propagation of / before each script, and where / is no mount point (a directory
#   that debootstrap made, entered by chroot alone) that fails: no script runs. %posttrans is a warning, and
#   rpm -i ends with 0 (6.1.0: with 1); a package with a %preun cannot be removed at all. With the directory
#   bind-mounted on itself, with --noplugins, or with rpm --root from outside the scripts run.
# Output seen: "failed to change mount propagation /: Invalid argument", "Plugin unshare: hook scriplet_fork_post failed".
# Why it matters: a kernel that is installed into an image that way has no modules.dep, no initramfs and no boot
#   entry, and the build of the image goes on.
set -euo pipefail
pins=(coreutils=9.7-3 dash=0.5.12-12 libacl1=2.3.2-2+b1 libarchive13t64=3.7.4-4+deb13u1 libattr1=1:2.5.2-3
	libaudit1=1:4.0.2-2+deb13u1 libbz2-1.0=1.0.8-6 libc6=2.41-12+deb13u5 libcap-ng0=0.8.5-4+b1 libcap2=1:2.75-10+deb13u1+b3
	libdbus-1-3=1.16.2-2 libdw1t64=0.192-4 libelf1t64=0.192-4 libfsverity0=1.6-1.2 libgcc-s1=14.2.0-19
	libgmp10=2:6.3.0+dfsg-3 libgomp1=14.2.0-19 libhogweed6t64=3.10.1-1 liblua5.3-0=5.3.6-2+b4 liblz4-1=1.10.0-4
	liblzma5=5.8.1-1+deb13u2 libmagic-mgc=1:5.46-5 libmagic1t64=1:5.46-5 libnettle8t64=3.10.1-1 libpcre2-8-0=10.46-1~deb13u3
	libpopt0=1.19+dfsg-2 libreadline8t64=8.2-6 librpm-sequoia-1=1.8.0-2 librpm10=4.20.1+dfsg-3 librpmbuild10=4.20.1+dfsg-3
	librpmio10=4.20.1+dfsg-3 librpmsign10=4.20.1+dfsg-3 libselinux1=3.8.1-1 libsqlite3-0=3.46.1-7+deb13u2
	libssl3t64=3.5.9-1~deb13u1 libstdc++6=14.2.0-19 libsystemd0=257.13-1~deb13u1 libtinfo6=6.5+20250216-2
	libxml2=2.12.7+dfsg+really2.9.14-2.1+deb13u3 libxxhash0=0.8.3-2 libzstd1=1.5.7+dfsg-1 rpm=4.20.1+dfsg-3
	rpm-common=4.20.1+dfsg-3 zlib1g=1:1.3.dfsg+really1.3.1-1+deb13u1)
cannot() { echo "cannot tell: $*" >&2; exit 3; }
changed() { echo "changed: $*" >&2; cat log >&2 2>/dev/null || :; exit 1; }
[ "$(dpkg --print-architecture)" = amd64 ] || cannot "the pins are amd64's"
unshare --user --map-root-user --mount true 2>/dev/null || cannot "this user may make no user namespaces"
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir -p debs fs apt/lists/partial apt/cache/archives/partial
# Debian 13's packages from where this machine has its own: its sources stay as they are.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v -- -security | head -n 1)
[ -n "$mirror" ] || cannot "apt has no sources here"
echo "deb $mirror trixie main" >sources.list
apt=(-qq -o APT::Sandbox::User=root -o Dir::Etc::SourceList="$tmp/sources.list" -o Dir::Etc::SourceParts=/nowhere
	-o Dir::State::Lists="$tmp/apt/lists" -o Dir::Cache="$tmp/apt/cache")
apt-get "${apt[@]}" update >log 2>&1 || cannot "no list of Debian 13's packages: $(tail -n 1 log)"
(cd debs && apt-get "${apt[@]}" download "${pins[@]}" >../log 2>&1) || cannot "a pinned version is not served (any more): $(tail -n 1 log)"
for dir in bin sbin lib lib64; do mkdir -p "fs/usr/$dir"; ln -s "usr/$dir" "fs/$dir"; done
for deb in debs/*.deb; do dpkg --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --no-same-owner -C fs; done
mkdir -p fs/tmp fs/dev fs/proc fs/home
: >fs/dev/null # enough for these scripts
ln -sf dash fs/usr/bin/sh

cat >fs/tiny.spec <<'SPEC'
Name: tiny
Version: 1
Release: 1
Summary: a package with scripts
License: none
BuildArch: noarch
%description
scripts
%posttrans
echo posttrans ran
%preun
echo preun ran
%files
SPEC
# in SETUP COMMAND...: by chroot in a mount namespace; SETUP is run before
in_root() {
	local setup=$1; shift
	unshare --user --map-root-user --mount sh -c "$setup"'; exec env -i PATH=/usr/bin:/usr/sbin HOME=/ chroot fs "$@"' in "$@" >log 2>&1
}
in_root : rpm --version
grep -q 'version 4\.20\.1' log || changed "another rpm"
in_root : rpmbuild -bb -D '_topdir /top' -D '_rpmdir /' -D '_rpmfilename tiny.rpm' -D '_build_id_links none' /tiny.spec || changed "rpmbuild fails"

in_root : rpm -i --nodeps /tiny.rpm || changed "rpm -i in a plain chroot ends with $?"
grep -q 'failed to change mount propagation' log && grep -q '%posttrans.*scriptlet failed' log || changed "%posttrans does not fail in a plain chroot"
in_root : rpm -q tiny || changed "the package is not installed"
! in_root : rpm -e tiny || changed "rpm -e in a plain chroot ends with 0"
grep -q 'erase failed' log || changed "%preun does not keep the package"
in_root : rpm -e --noplugins tiny || changed "rpm -e --noplugins fails"
grep -q 'preun ran' log || changed "no %preun with --noplugins"

bind='mount --rbind fs fs'
in_root "$bind" rpm -i --nodeps /tiny.rpm || changed "rpm -i fails where / is a mount point"
grep -q 'posttrans ran' log || changed "no %posttrans where / is a mount point"
in_root "$bind" rpm -e tiny || changed "rpm -e fails where / is a mount point"
echo "as seen: by chroot in a plain directory rpm 4.20.1 runs no script, and rpm -i ends with 0"
