// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/cache"
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
	perl, err := exec.LookPath("perl")
	if err != nil {
		return []string{"not run: perl is not installed"}, nil
	}
	st, err := os.Stat(perl)
	if err != nil {
		return nil, fmt.Errorf("run checkpatch: %w", err)
	}
	files := map[string][]byte{"checkpatch.pl": script.Data, f.Name: f.Port}
	for _, name := range checkpatchFiles[1:] {
		if file, ok := f.Files.Files[name]; ok {
			files[filepath.Base(name)] = file.Data
		}
	}
	k := cache.NewKey(styleKind).Add("perl", perl).Add("size", fmt.Sprint(st.Size())).Add("time", fmt.Sprint(st.ModTime().UnixNano())).Add("patch", f.Name)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		k.Add(name, string(files[name]))
	}
	return cache.Answer(f.cache, styleKind, k, func() ([]string, bool, error) { return runCheckpatch(ctx, files, f.Name) })
}

// styleKind is what the answers of checkpatch.pl are kept as.
const styleKind = "styles"

// runCheckpatch runs checkpatch.pl on one of the files, which are all that it sees, and says whether it ran.
func runCheckpatch(ctx context.Context, files map[string][]byte, name string) (says []string, ran bool, err error) {
	dir, remove, err := scratch.New("", "checkpatch")
	if err != nil {
		return nil, false, fmt.Errorf("run checkpatch: %w", err)
	}
	defer remove()
	for file, data := range files {
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
			return nil, false, fmt.Errorf("run checkpatch: %w", err)
		}
	}
	var out bytes.Buffer
	err = command.Run(ctx, command.Cmd{
		Args: []string{"perl", "checkpatch.pl", "--no-tree", "--no-signoff", "--terse", name},
		Dir:  dir, Stdout: &out,
		// A .checkpatch.conf of the user's is not the kernel's style.
		Clean: true, Env: []string{"HOME=" + dir},
	})
	var bad *command.Error
	switch {
	case err == nil:
	case ctx.Err() != nil || !errors.As(err, &bad):
		return nil, false, err
	case bad.ExitCode != 1: // it ends with 1 when it has something to say
		// That of old kernels is beyond today's perl; the patch is none the worse.
		why, _, _ := strings.Cut(strings.TrimSpace(bad.Tail), "\n")
		return []string{"not run: the source's own checkpatch.pl does not run here: " + why}, false, nil
	}
	if text := strings.TrimSpace(out.String()); text != "" {
		return strings.Split(text, "\n"), true, nil
	}
	return []string{"no complaints"}, true, nil
}
