// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// removing is a reader that calls f before its end is read.
type removing struct {
	io.Reader
	f func()
}

func (r *removing) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err == io.EOF && r.f != nil {
		r.f()
		r.f = nil
	}
	return n, err
}

// Somebody who heeds no lock takes away what a writer is writing. The writer is told so, does
// not try for ever, and the store is as it was.
func TestUnfinishedSnapshotIsTakenAway(t *testing.T) {
	for name, what := range map[string]func(w *Writer) string{
		"all unfinished work": func(w *Writer) string { return newDir },
		"the snapshot":        func(w *Writer) string { return w.dir() },
		"the file":            func(w *Writer) string { return filepath.Join(w.dir(), "a") },
	} {
		for _, when := range []string{"in a file", "before the next file", "before commit"} {
			if name == "the file" && when == "before the next file" {
				continue // nobody looks at it then
			}
			t.Run(name+" "+when, func(t *testing.T) {
				bothWays(t, func(t *testing.T, s *Store) {
					kept := put(t, s, kernel, day, "a", "kept")
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					defer cancel()
					w, err := s.Create(ctx, kernel, day.Add(time.Hour))
					if err != nil {
						t.Fatal(err)
					}
					take := func() {
						if err := os.RemoveAll(s.path(what(w))); err != nil {
							t.Error(err)
						}
					}
					r := &removing{Reader: strings.NewReader("content")}
					if when == "in a file" {
						r.f = take
					}
					_, err = w.AddFile(ctx, "a", r)
					if when != "in a file" {
						if err != nil {
							t.Fatal(err)
						}
						take()
					}
					if when == "before the next file" {
						_, err = w.AddFile(ctx, "b", strings.NewReader("more"))
					}
					if when == "before commit" {
						err = w.Commit(ctx)
					}
					if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "removed while it was written, by a program that does not heed locks") {
						t.Errorf("got %v", err)
					}
					if err := w.Abort(); err != nil {
						t.Error(err)
					}
					if refs := checkWhole(t, s, "taken away"); len(refs) != 1 || refs[0] != kept {
						t.Errorf("there is %v", refs)
					}
					put(t, s, kernel, day.Add(time.Hour), "a", "again")
					checkTidy(t, s, "in the end")
				})
			})
		}
	}
}
