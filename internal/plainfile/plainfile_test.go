// SPDX-License-Identifier: Apache-2.0

package plainfile

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestOnlyPlainFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	l, err := net.Listen("unix", in("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := errors.Join(os.WriteFile(in("file"), []byte("text"), 0o600), os.Symlink("file", in("link")), syscall.Mkfifo(in("pipe"), 0o600),
		os.Symlink("pipe", in("to-pipe")), os.Mkdir(in("dir"), 0o700), os.Symlink("/dev/zero", in("zero"))); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string]error{
		"file": nil, "link": nil, "pipe": ErrNotPlain, "to-pipe": ErrNotPlain, "dir": ErrNotPlain, "socket": ErrNotPlain, "zero": ErrNotPlain, "no": fs.ErrNotExist,
	} {
		for how, read := range map[string]func() ([]byte, error){
			"Read":   func() ([]byte, error) { return Read(in(name)) },
			"ReadIn": func() ([]byte, error) { return ReadIn(root, name) },
			"ReadFS": func() ([]byte, error) { return ReadFS(os.DirFS(dir), name) },
		} {
			if name == "zero" && how == "ReadIn" {
				continue // it is outside
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if b, err := read(); !errors.Is(err, want) || want == nil && string(b) != "text" {
					t.Errorf("%s %s: %q, %v", how, name, b, err)
				}
			}()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatalf("%s %s waits", how, name)
			}
		}
	}
}
