// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
)

// commandBegins is a line that the script of a command prints first: what came before is the boot's.
const commandBegins = "ovzpatch: the command begins"

// CommandScript is the script that runs one command in a guest.
func CommandScript(words []string) ([]byte, error) {
	script := []byte("echo '" + commandBegins + "'\n" + quote(words) + "\n")
	if len(script) > MaxScript {
		return nil, job.BadRequest(fmt.Errorf("the command has more than %d KiB; write a shorter one", MaxScript>>10))
	}
	return script, nil
}

// quote writes words such that a shell reads them as they are.
func quote(words []string) string {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
	}
	return strings.Join(quoted, " ")
}

// CommandOutput passes on what a console has between the begin of a CommandScript's command and its end.
type CommandOutput struct {
	W     io.Writer
	on    bool
	over  bool
	blank bool   // a blank line is held back: it may be the one before the end
	line  []byte // not ended yet
}

// Over tells whether the end of the command was seen.
func (o *CommandOutput) Over() bool { return o.over }

func (o *CommandOutput) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part, after, ended := bytes.Cut(rest, []byte("\n"))
		rest = after
		o.line = append(o.line, part...)
		const limit = 1 << 20 // a guest may never end its line
		if !ended && len(o.line) < limit {
			break
		}
		line := string(bytes.TrimRight(o.line, "\r"))
		o.line = o.line[:0]
		if err := o.take(line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (o *CommandOutput) take(line string) error {
	switch {
	case !o.on:
		o.on = line == commandBegins
	case o.over:
	case strings.HasPrefix(line, guest.ShellEnded):
		o.over = true
	default:
		text := line + "\n"
		if o.blank {
			text = "\n" + text
		}
		if o.blank = line == ""; o.blank {
			text = strings.TrimSuffix(text, "\n")
		}
		_, err := io.WriteString(o.W, text)
		return err
	}
	return nil
}
