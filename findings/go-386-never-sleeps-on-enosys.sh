#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Library: the runtime of Go 1.24.4, GOARCH=386, on a kernel without CONFIG_COMPAT_32BIT_TIME (allnoconfig's answer, as for Linux 6.1), played by
#   strace 6.1: nanosleep(2) is ENOSYS.
# Guess: the runtime takes clock_nanosleep_time64 there, as it takes futex_time64 in the place of futex; or the program dies at its start.
# Seen: nobody looks at the answer. The program runs and its own time.Sleep is right (that is a futex), but the monitor thread, which should sleep
#   for 20 microseconds and up to 10 ms between two looks, never sleeps while anything runs: it calls nanosleep without end.
# Output seen: "as it is: 101 calls of nanosleep, sleep is right: true; with ENOSYS: 3384 calls, sleep is right: true". The second number varies with
#   the load (1595 to 18451 in five runs).
# Why it matters: in a guest of one processor with a kernel as small as allnoconfig and a static Go program as init, a row of 181 tests took
#   9.4 s of processor time, and 4.5 s with CONFIG_COMPAT_32BIT_TIME=y, which a default configuration has. No log says why.
set -euo pipefail
pins=(strace=6.1-0.1 libunwind8=1.6.2-3 liblzma5=5.4.1-1+deb12u1)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export PATH=$tmp/fs/usr/bin:$PATH LD_LIBRARY_PATH=$tmp/fs/usr/lib/x86_64-linux-gnu:$tmp/fs/lib/x86_64-linux-gnu
changed() { echo "changed: $*" >&2; exit 1; }
cat >main.go <<'GO'
package main

import (
	"fmt"
	"time"
)

func main() {
	n := 0
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); n++ {
	}
	begin := time.Now()
	time.Sleep(100 * time.Millisecond)
	d := time.Since(begin)
	fmt.Println(n > 0 && d >= 100*time.Millisecond && d < 5*time.Second)
}
GO
cat >go.mod <<'MOD'
module never
go 1.24
MOD
env -u GOFLAGS GOTOOLCHAIN=go1.24.4 GOARCH=386 CGO_ENABLED=0 go build -o never . || { echo "cannot tell: go1.24.4 is not served, or there is no go" >&2; exit 3; }
slept=$(strace -f -qq -e trace=nanosleep -o plain ./never)
awake=$(strace -f -qq -e trace=nanosleep -e inject=nanosleep:error=ENOSYS -o enosys ./never)
plain=$(grep -c 'nanosleep(' plain || true) enosys=$(grep -c 'nanosleep(.*ENOSYS' enosys || true)
grep -q 'INJECTED' enosys || { echo "cannot tell: strace could not play that kernel" >&2; exit 3; }
echo "as it is: $plain calls of nanosleep, sleep is right: $slept; with ENOSYS: $enosys calls, sleep is right: $awake"
[ "$slept $awake" = "true true" ] || changed "the program does not sleep for 100 ms"
[ "$plain" -lt 1000 ] && [ "$enosys" -gt $((10 * plain)) ] || changed "the runtime does something about ENOSYS"
