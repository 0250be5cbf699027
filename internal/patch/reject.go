// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"ovzpatch/internal/atomicfile"
)

// Reject is the part of one file's change that could not be applied: a unified diff that can be
// applied later, and before it a text that says why.
type Reject struct {
	Name string // name of the file in the tree, plus .rej
	Data []byte
}

// Rejects returns one Reject for every file with a hunk or a change that cannot be applied.
func (e *NotApplicable) Rejects() []Reject {
	var all []Reject
	for _, p := range e.Problems {
		name := strings.TrimPrefix(path.Clean("/"+p.File), "/") + ".rej"
		at := slices.IndexFunc(all, func(r Reject) bool { return r.Name == name })
		if at < 0 {
			all = append(all, Reject{Name: name})
			at = len(all) - 1
		}
		all[at].Data = append(all[at].Data, p.explain()...)
	}
	return all
}

// explain writes a problem's part of a reject file.
func (p *Problem) explain() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# %v\n", p)
	if p.Closest != nil {
		fmt.Fprintf(&b, "# What the patch expects (-), and what the file holds from line %d on (+):\n", p.Closest.Line)
		for _, l := range p.Closest.Diff {
			fmt.Fprintf(&b, "#   %s\n", l)
		}
	}
	if p.reject != "" {
		fmt.Fprintf(&b, "--- a/%s\n+++ b/%s\n%s", p.File, p.File, p.reject)
	}
	b.WriteString("\n")
	return []byte(b.String())
}

// WriteRejects writes the rejects below dir, each under its file's path, and makes dir if it is
// missing.
func WriteRejects(ctx context.Context, dir string, rejects []Reject) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	defer root.Close()
	for _, r := range rejects {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("write rejects: %w", err)
		}
		if err := writeReject(root, r); err != nil {
			return fmt.Errorf("write reject %s: %w", r.Name, atomicfile.Named(err, temporary(r.Name), r.Name))
		}
	}
	return nil
}

func temporary(name string) string { return name + ".new" }

func writeReject(root *os.Root, r Reject) error {
	if err := root.MkdirAll(path.Dir(r.Name), 0o777); err != nil {
		return err
	}
	temp := temporary(r.Name)
	if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return atomicfile.NotMade(err, r.Name)
	}
	f, err := root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(r.Data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	if err := root.Rename(temp, r.Name); err != nil {
		return errors.Join(atomicfile.NotMade(err, r.Name), root.Remove(temp))
	}
	return syncDir(root, path.Dir(r.Name))
}
