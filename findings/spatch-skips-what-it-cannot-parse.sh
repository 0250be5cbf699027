#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: spatch of coccinelle 1.1.1 (Debian 12), a semantic patch that renames a function's calls.
# Guess: a function that spatch cannot parse is an error, or a warning at least.
# Seen: that function is left as it was, the others are changed, nothing is said on either stream about it, and the exit
#   code is 0. Only --parse-c tells that something was not read.
# Output seen: "changed calls: 1 of 2; left: 1; words about the other: 0; exit code 0; --parse-c tells: yes".
# Why it matters: kernel C is full of macros that are no C before cpp runs. A change that spatch carries through an old
#   tree may leave out just the function that matters, and the patch looks finished. Search for what should be gone.
set -euo pipefail
pins=(coccinelle=1.1.1.deb-2+b1 libpcre3=2:8.39-15)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export LD_LIBRARY_PATH=$tmp/fs/lib/x86_64-linux-gnu COCCINELLE_HOME=$tmp/fs/usr/lib/coccinelle PATH=$tmp/fs/usr/bin:$PATH
changed() { echo "changed: $*" >&2; exit 1; }

cat >rename.cocci <<'END'
@@
expression x;
@@
- put_old(x)
+ put_new(x)
END
cat >tree.c <<'END'
int plain(int a)
{
	return put_old(a);
}

int with_macros(int a)
{
	FOR_EACH_MOUNT(a) UNDER root {
		put_old(a);
	} END_EACH
	return 0;
}
END
code=0; spatch --sp-file rename.cocci --in-place tree.c >out 2>err || code=$?
told=0; spatch --parse-c tree.c >parsed 2>&1 || true
grep -q 'parse error' parsed && told=yes
seen="changed calls: $(grep -c 'put_new(a)' tree.c) of 2; left: $(grep -c 'put_old(a)' tree.c); words about the other: $(grep -ciE 'with_macros|parse error|skip' err || true); exit code $code; --parse-c tells: $told"
echo "$seen"
[ "$seen" = "changed calls: 1 of 2; left: 1; words about the other: 0; exit code 0; --parse-c tells: yes" ] || { cat err >&2; changed "$seen"; }
