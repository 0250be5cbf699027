// SPDX-License-Identifier: Apache-2.0

package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// output runs args to their end in a child that prepare has set up, and returns their standard
// output.
func output(ctx context.Context, args []string, prepare func(*child) error) ([]byte, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	child, err := newChild(args, w, nil)
	if err == nil {
		err = prepare(child)
	}
	pid, last := 0, 0
	if err == nil {
		pid, err = child.start(func(_, pid int) error { last = pid; return nil })
	}
	w.Close()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { syscall.Kill(last, syscall.SIGKILL) })
	defer stop()
	var out bytes.Buffer
	_, err = io.Copy(&out, r)
	var status unix.WaitStatus
	_, waited := wait(pid, &status)
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case waited == nil && status != 0:
		err = errors.Join(err, fmt.Errorf("%s ended with status %#x", args[0], uint32(status)))
	}
	return out.Bytes(), errors.Join(err, waited)
}
