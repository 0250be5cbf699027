// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"ovzpatch/internal/command"
	"ovzpatch/internal/scratch"
)

// checkpatchFiles are what the kernel's own style checker consists of. Kernels before
// 2.6.24 have none.
var checkpatchFiles = []string{"scripts/checkpatch.pl", "scripts/spelling.txt", "scripts/const_structs.checkpatch"}

// checkStyle has the tree's own scripts/checkpatch.pl look at the patch and returns what it
// says, a line each. It is advice: nothing in it keeps a patch from fitting.
func (f *Fit) checkStyle(ctx context.Context) ([]string, error) {
	script, ok := f.Files.Files[checkpatchFiles[0]]
	if !ok {
		return []string{"not run: the source has no scripts/checkpatch.pl"}, nil
	}
	if _, err := exec.LookPath("perl"); err != nil {
		return []string{"not run: perl is not installed"}, nil
	}
	dir, remove, err := scratch.New("", "checkpatch")
	if err != nil {
		return nil, fmt.Errorf("run checkpatch: %w", err)
	}
	defer remove()
	files := map[string][]byte{"checkpatch.pl": script.Data, f.Name: f.Port}
	for _, name := range checkpatchFiles[1:] {
		if file, ok := f.Files.Files[name]; ok {
			files[filepath.Base(name)] = file.Data
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return nil, fmt.Errorf("run checkpatch: %w", err)
		}
	}
	var out bytes.Buffer
	err = command.Run(ctx, command.Cmd{
		Args: []string{"perl", "checkpatch.pl", "--no-tree", "--no-signoff", "--terse", f.Name},
		Dir:  dir, Stdout: &out,
	})
	var bad *command.Error
	switch {
	case err == nil:
	case ctx.Err() != nil || !errors.As(err, &bad):
		return nil, err
	case bad.ExitCode != 1: // it ends with 1 when it has something to say
		// That of old kernels is beyond today's perl; the patch is none the worse.
		why, _, _ := strings.Cut(strings.TrimSpace(bad.Tail), "\n")
		return []string{"not run: the source's own checkpatch.pl does not run here: " + why}, nil
	}
	if says := strings.TrimSpace(out.String()); says != "" {
		return strings.Split(says, "\n"), nil
	}
	return []string{"no complaints"}, nil
}
