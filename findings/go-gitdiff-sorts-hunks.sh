#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Library: github.com/bluekeyes/go-gitdiff 0.9.0, beside GNU patch 2.7.6 and git 2.39.5 (Debian 12).
# Guess: a patch whose hunks for a file go up (second hunk above the first) is refused by go-gitdiff, whose Apply takes nothing that
#   is not exactly in its place; at the latest where GNU patch and git refuse it.
# Seen: Parse and Apply take it: the hunks are put in the order of their lines first. GNU patch applies the first hunk, fails with
#   the second and ends with 1; git apply changes nothing and ends with 1.
# Output seen: "go-gitdiff: applied; patch: exit 1, half; git apply: exit 1, nothing".
# Why it matters: a patch that was edited by hand passes a check in Go and then ends the build, where %prep runs patch.
#   Whoever checks with go-gitdiff what patch shall apply compares the hunks' first lines as well.
set -euo pipefail
pins=(patch=2.7.6-7 git=1:2.39.5-0+deb12u3)
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "cannot tell: the pins are amd64's" >&2; exit 3; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"; mkdir debs fs
(cd debs && apt-get -qq -o APT::Sandbox::User=root download "${pins[@]}") ||
	{ echo "cannot tell: a pinned version is not served (any more), or apt-get update never ran" >&2; exit 3; }
for deb in debs/*.deb; do dpkg -x "$deb" fs; done
export PATH=$tmp/fs/usr/bin:$PATH
changed() { echo "changed: $*" >&2; exit 1; }
export GIT_EXEC_PATH=$tmp/fs/usr/lib/git-core GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_CEILING_DIRECTORIES=$tmp

cat >main.go <<'GO'
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

func main() {
	patch, err := os.Open("up.patch")
	if err != nil {
		log.Fatal(err)
	}
	files, _, err := gitdiff.Parse(patch)
	if err != nil {
		log.Fatal(err)
	}
	source, err := os.Open("Makefile")
	if err != nil {
		log.Fatal(err)
	}
	if err := gitdiff.Apply(os.Stdout, source, files[0]); err != nil {
		fmt.Println("refused:", err)
	}
}
GO
printf 'module up\ngo 1.24\nrequire github.com/bluekeyes/go-gitdiff v0.9.0\n' >go.mod
cat >go.sum <<'SUM'
github.com/bluekeyes/go-gitdiff v0.9.0 h1:w+O6lkRBOqfGcwF0Lf6FFHQrhmxM0hCJW5+rbilGuSs=
github.com/bluekeyes/go-gitdiff v0.9.0/go.mod h1:WWAk1Mc6EgWarCrPFO+xeYlujPu98VuLW3Tu+B/85AE=
SUM
env -u GOFLAGS go build -o up . 2>log || { cat log >&2; echo "cannot tell: go-gitdiff 0.9.0 is not served, or there is no go" >&2; exit 3; }
printf 'VERSION = 6\nSUBLEVEL = 1\n' >Makefile
printf -- '--- a/Makefile\n+++ b/Makefile\n@@ -2 +2 @@\n-SUBLEVEL = 1\n+SUBLEVEL = 2\n@@ -1 +1 @@\n-VERSION = 6\n+VERSION = 7\n' >up.patch
[ "$(./up)" = $'VERSION = 7\nSUBLEVEL = 2' ] || { ./up >&2; changed "go-gitdiff does something else"; }
code=0; git apply up.patch 2>log || code=$?
[ "$code" = 1 ] && grep -q 'SUBLEVEL = 1' Makefile || changed "git apply: exit $code"
half=0; patch -p1 <up.patch >log || half=$?
[ "$half" = 1 ] && [ "$(cat Makefile)" = $'VERSION = 6\nSUBLEVEL = 2' ] || changed "patch: exit $half"
echo "go-gitdiff: applied; patch: exit $half, half; git apply: exit $code, nothing"
