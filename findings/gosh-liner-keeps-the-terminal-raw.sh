#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tool: gosh of u-root 0.16.0, built with the tag goshliner (the line editor with history that works on a serial console), beside
#   the same with goshsmall (no editor).
# Guess: the editor takes the terminal while it reads a line, as readline and zle do, and a command finds it as it was.
# Seen: with goshliner the terminal stays raw from the first prompt to the shell's end, also while commands run: no echo, Enter is no
#   newline, Ctrl-D is no end. `cat` or `read` from that prompt never sees a line. Ctrl-C alone works. With goshsmall all is as usual.
# Output seen: "goshliner: -icrnl -icanon -echo; goshsmall: icrnl icanon echo".
# Why it matters: a guest's shell on a serial console is where people type answers to fsck, cat > file, or paste a few lines. The editor
#   must take the terminal at startPrompt and not at NewLiner.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
for what in go script stty; do command -v $what >/dev/null || { echo "cannot tell: there is no $what" >&2; exit 3; }; done
for tag in goshliner goshsmall; do
	env -u GOFLAGS GOBIN="$tmp/$tag" go install -tags $tag github.com/u-root/u-root/cmds/core/gosh@v0.16.0 ||
		{ echo "cannot tell: u-root 0.16.0 is not served, or does not build" >&2; exit 3; }
done
# what a command that is typed at the prompt of $1 finds
finds() {
	{ sleep 2; printf 'stty -a\r'; sleep 2; printf 'exit\r'; sleep 1; } |
		TERM=vt100 timeout 30 script -qec "$tmp/$1/gosh" /dev/null | tr -s ' \r' '\n' | grep -xE -- '-?(icanon|icrnl|echo);?' | xargs
}
seen="goshliner: $(finds goshliner); goshsmall: $(finds goshsmall)"
echo "$seen"
[ "$seen" = "goshliner: -icrnl -icanon -echo; goshsmall: icrnl icanon echo" ] || { echo "changed: $seen" >&2; exit 1; }
