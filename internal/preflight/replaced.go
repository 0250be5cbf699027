// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/job"
	"ovzpatch/internal/plainfile"
)

// Replaced refuses an output file that is one of the inputs, or would take the place of a file in a
// tree among them. A new file may lie in a tree: people stand in one. So may one that ovzpatch wrote,
// to be written anew.
func Replaced(flag, path string, inputs []string) error {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return nil
	}
	refuse := func(format string, arg ...any) error {
		return job.BadRequest(fmt.Errorf("--%s=%s: it would replace %s; name another file", flag, path, fmt.Sprintf(format, arg...)))
	}
	for _, name := range inputs {
		in, err := os.Stat(name)
		switch {
		case err != nil:
		case os.SameFile(st, in):
			return refuse("what it is made from")
		case in.IsDir() && inside(name, path) && !ours(path):
			return refuse("a file of %s", name)
		}
	}
	return nil
}

// inside tells whether a file lies below a directory, links resolved.
func inside(dir, file string) bool {
	top, err := filepath.EvalSymlinks(absolute(dir))
	if err != nil {
		return false
	}
	real, err := filepath.EvalSymlinks(absolute(file))
	return err == nil && strings.HasPrefix(real, strings.TrimSuffix(top, "/")+"/")
}

// ours tells whether a file looks like a patch or a report of ovzpatch. No kernel's file does.
func ours(path string) bool {
	f, err := plainfile.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return false
	}
	for _, start := range []string{"TAP version 13\n", "KTAP version 1\n", "{\n  \"command\": ", "[]\n"} {
		if bytes.HasPrefix(head, []byte(start)) {
			return true
		}
	}
	return bytes.Contains(head, []byte("ovzpatch"))
}
