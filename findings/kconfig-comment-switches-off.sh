#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: conf of Linux 6.1's kconfig (linux-kbuild-6.1 6.1.192-2, Debian 12).
# Guess: in a .config or a fragment a line with # is a comment, but for the one exact line
#   "# CONFIG_X is not set".
# Seen: what follows "is not set" is never read. "# CONFIG_QUOTA is not settled yet" is taken as
#   QUOTA=n, over a default of y, with exit 0 and no warning. The same words with a second space after
#   the # are a comment.
# Output seen: "# CONFIG_QUOTA is not set" and "CONFIG_KASAN=y" out of the two comments below.
# Why it matters: people explain their choices in config fragments. A remark about an option turns the
#   option off, and the kernel that is proved is not the one the fragment describes.
set -euo pipefail
pins=(linux-kbuild-6.1=6.1.192-2)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export PATH=$tmp/fs/usr/bin:$tmp/fs/bin:$tmp/fs/sbin:$PATH
export LD_LIBRARY_PATH=$tmp/fs/usr/lib/x86_64-linux-gnu:$tmp/fs/lib/x86_64-linux-gnu
changed() { echo "changed: $*" >&2; exit 1; }
conf=$tmp/fs/usr/lib/linux-kbuild-6.1/scripts/kconfig/conf

printf 'config %s\n\tbool "%s"\n\tdefault y\n' QUOTA quota KASAN kasan >Kconfig
cat >.config <<'CONFIG'
# CONFIG_QUOTA is not settled yet, the default shall stand
#  CONFIG_KASAN is not settled yet, the default shall stand
CONFIG
said=$("$conf" --olddefconfig Kconfig 2>&1)
cat .config
grep -qx '# CONFIG_QUOTA is not set' .config || changed "the remark on QUOTA no longer switches it off"
grep -qx 'CONFIG_KASAN=y' .config || changed "the remark on KASAN, with two spaces, is read as well"
! grep -qi warning <<<"$said" || changed "there is a warning now: $said"
