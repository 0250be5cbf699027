// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"ovzpatch/internal/command"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
)

// commandBegins is a line that the script of a command prints first: what came before is the boot's.
const commandBegins = "ovzpatch: the command begins"

// commandScript is the script that runs one command in a guest.
func commandScript(words []string) ([]byte, error) {
	script := []byte("echo '" + commandBegins + "'\n" + command.Quote(words...) + "\n")
	if len(script) > maxScript {
		return nil, job.BadRequest(fmt.Errorf("the command has more than %d KiB; write a shorter one", maxScript>>10))
	}
	return script, nil
}

// Command runs one command in the guest, and passes on to out what it prints. An ExitStatus is the command's. If the
// command did not come to its end, shown is what the console showed last.
func (s *Shell) Command(ctx context.Context, words []string, out io.Writer, o Options) (shown string, err error) {
	if s.script, err = commandScript(words); err != nil {
		return "", err
	}
	in, err := os.Open(os.DevNull)
	if err != nil {
		return "", fmt.Errorf("connect console: %w", err)
	}
	defer in.Close()
	printed := commandOutput{w: out}
	c := console{w: &printed}
	if err := s.run(ctx, in, &c, o); err != nil {
		return "", err
	}
	if err = c.end(true); err != nil && !printed.over {
		shown = string(c.tail)
	}
	return shown, err
}

// commandOutput passes on what a console has between the begin of a commandScript's command and its end.
type commandOutput struct {
	w     io.Writer
	on    bool
	over  bool   // the end of the command was seen
	blank bool   // a blank line is held back: it may be the one before the end
	line  []byte // not ended yet
}

func (o *commandOutput) Write(p []byte) (int, error) {
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

func (o *commandOutput) take(line string) error {
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
		_, err := io.WriteString(o.w, text)
		return err
	}
	return nil
}
