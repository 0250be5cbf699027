// SPDX-License-Identifier: Apache-2.0

package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func names(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestAFailedWriteLeavesWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := WriteBytes(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := Write(path, func(w io.Writer) error {
		io.WriteString(w, "half")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
	if got := read(t, path); got != "old" {
		t.Errorf("file holds %q", got)
	}
	if n := names(t, dir); n != 1 {
		t.Errorf("%d files are left, not 1", n)
	}
}

func TestWriteReplacesAndEverybodyMayRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"one", "two"} {
		if err := WriteBytes(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != text {
			t.Errorf("file holds %q, not %q", got, text)
		}
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

func TestCopyAndMove(t *testing.T) {
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	if err := errors.Join(WriteBytes(a, []byte("text")), Copy(a, b), Move(b, c)); err != nil {
		t.Fatal(err)
	}
	if read(t, a) != "text" || read(t, c) != "text" || names(t, dir) != 2 {
		t.Error("the copy or the moved file is not as it should be")
	}
	if err := Copy(filepath.Join(dir, "none"), b); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("copy of a missing file: %v", err)
	}
	if err := Move(filepath.Join(dir, "none"), b); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("move of a missing file: %v", err)
	}
	if names(t, dir) != 2 {
		t.Error("a failure left a file")
	}
}

// Nobody looks for a file of ours.
func TestErrorsNameTheFileThatWasToBeWritten(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.Mkdir(there, 0o755); err != nil {
		t.Fatal(err)
	}
	shut := func(w io.Writer) error {
		w.(io.Closer).Close()
		_, err := io.WriteString(w, "text")
		return fmt.Errorf("wrap: %w", err)
	}
	whole := func(io.Writer) error { return nil }
	for _, tt := range []struct {
		path  string
		write func(io.Writer) error
		want  string
	}{
		{filepath.Join(dir, "none/f"), whole, "write " + dir + "/none/f: no such file or directory"},
		{filepath.Join(dir, "f"), shut, "wrap: write " + dir + "/f: file already closed"},
		{there, whole, "write " + there + ": file exists"},
	} {
		if err := Write(tt.path, tt.write); err == nil || err.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
	if err := Named(fs.ErrExist, "", "x"); err.Error() != "file already exists" {
		t.Error(err)
	}
	if n := names(t, dir); n != 1 {
		t.Errorf("%d files are left, not 1", n)
	}
}

func TestWhoFailsLeavesNoDirectory(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a/b/c")
	undo, err := MakeDir(deep)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a/theirs"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	undo()
	if names(t, dir) != 1 || names(t, filepath.Join(dir, "a")) != 1 {
		t.Error("what is empty stays, or what is not goes")
	}
	undo, err = MakeDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	undo()
	if _, err := MakeDir(filepath.Join(dir, "a/theirs/new")); err == nil {
		t.Error("a directory was made in a file")
	}
	if names(t, dir) != 1 {
		t.Error("what was there is gone")
	}
}
