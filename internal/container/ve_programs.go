// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// programs are what VEs run.
var programs sharedPrograms

// sharedPrograms holds a copy of every program, on its own filesystem: the guest's first root
// cannot be bind-mounted. All VEs share it, because an emulated processor translates a program
// again for each place in memory. It stays as long as the machine runs.
type sharedPrograms struct {
	sync.Mutex
	dir    string
	copies map[string]string // by path
}

// get returns the copy of a program.
func (p *sharedPrograms) get(path string) (string, error) {
	p.Lock()
	defer p.Unlock()
	if to, ok := p.copies[path]; ok {
		return to, nil
	}
	if p.copies == nil {
		dir, err := os.MkdirTemp("", "programs")
		if err != nil {
			return "", fmt.Errorf("make directory of programs: %w", err)
		}
		if err := unix.Mount("none", dir, "tmpfs", 0, "mode=755"); err != nil {
			return "", errors.Join(fmt.Errorf("mount %s: %w", dir, err), os.Remove(dir))
		}
		p.dir, p.copies = dir, map[string]string{}
	}
	to := filepath.Join(p.dir, strconv.Itoa(len(p.copies)))
	if err := copyProgram(path, to); err != nil {
		return "", fmt.Errorf("copy %s: %w", path, err)
	}
	p.copies[path] = to
	return to, nil
}

func copyProgram(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}
