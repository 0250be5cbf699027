// SPDX-License-Identifier: Apache-2.0

package compress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/command"
)

// programs are the machine's decompressors, from standard input to standard output. xz gets a
// limit because a hostile stream can ask for a dictionary of 4 GiB, and few threads because each holds a block of
// the file: 64 MiB of a kernel's tarball.
var programs = map[Format][]string{
	XZ:    {"xz", "-dc", "-q", fmt.Sprintf("-T%d", min(4, runtime.NumCPU())), "--memlimit-decompress=1GiB", "--format=xz"},
	LZMA:  {"xz", "-dc", "-q", "--memlimit-decompress=1GiB", "--format=lzma"},
	Bzip2: {"bzip2", "-dc", "-q"},
	LZO:   {"lzop", "-dc", "-q"},
}

// errClosed is the cause for a child that was stopped because nobody wants more of its output.
var errClosed = errors.New("stream closed early")

// program is a decompressor that runs as a child.
type program struct {
	out    *os.File
	cancel context.CancelCauseFunc
	done   chan struct{}
	err    error // how the child ended; read it after done
}

func startProgram(ctx context.Context, format Format, args []string, r io.Reader) (*program, error) {
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	// A larger pipe saves most switches between the two processes. If the user's pipe quota
	// forbids it, the default size will do.
	unix.FcntlInt(pw.Fd(), unix.F_SETPIPE_SZ, 1<<20)
	ctx, cancel := context.WithCancelCause(ctx)
	p := &program{out: pr, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		err := command.Run(ctx, command.Cmd{Args: args, Stdin: r, Stdout: pw})
		if err != nil {
			p.err = fmt.Errorf("decompress %s stream: %w", format, err)
		}
		pw.Close()
	}()
	return p, nil
}

// Read returns the child's output. If the child fails, its error takes the place of io.EOF.
func (p *program) Read(b []byte) (int, error) {
	n, err := p.out.Read(b)
	if err == io.EOF {
		<-p.done
		if p.err != nil {
			err = p.err
		}
	}
	return n, err
}

// Close ends the child if it still runs, and waits until it is gone.
func (p *program) Close() error {
	p.cancel(errClosed)
	<-p.done
	return p.out.Close()
}
