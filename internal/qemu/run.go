// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"ovzpatch/internal/command"
	"ovzpatch/internal/guest"
)

// Boot is what a guest produced.
type Boot struct {
	Events  []guest.Event // in order; complete if Run returned no error
	Console string        // the console's last lines
	// ConsoleSHA256 is the digest of the whole console.
	ConsoleSHA256 string
	Elapsed       time.Duration // from the start of QEMU to its end
}

// errEnough ends QEMU once a boot's outcome is known.
var errEnough = errors.New("the outcome is known")

// Run boots m and follows it to its end. If the guest does not reach its done, the error is a
// *BootError, and Boot holds what came before. A cancelled ctx ends QEMU, and its error is
// returned.
func (m Machine) Run(ctx context.Context) (Boot, error) {
	args, err := m.args(consolePipe, resultsPipe)
	if err != nil {
		return Boot{}, err
	}
	limits := m.Limits
	if limits == (Limits{}) {
		limits = LimitsFor(m.Accel.Slowdown)
	}
	sum := sha256.New()
	var log io.Writer = sum
	if m.ConsoleLog != "" {
		f, err := os.Create(m.ConsoleLog)
		if err != nil {
			return Boot{}, fmt.Errorf("keep console: %w", err)
		}
		defer f.Close()
		log = io.MultiWriter(f, sum)
	}
	p, err := start(ctx, args)
	if err != nil {
		return Boot{}, err
	}
	w := newWatch(limits, time.Now())
	logErr := p.follow(w, log, m.Event)
	boot := Boot{Events: w.events, Console: w.console.text(), ConsoleSHA256: hex.EncodeToString(sum.Sum(nil)), Elapsed: w.exited.Sub(w.started)}
	if ctx.Err() != nil {
		return boot, fmt.Errorf("boot %s: %w", m.Kernel, context.Cause(ctx))
	}
	if logErr != nil {
		return boot, fmt.Errorf("keep console: %w", logErr)
	}
	if o := w.outcome(); o != Done {
		return boot, m.bootError(o, w, boot)
	}
	return boot, nil
}

func (m Machine) bootError(o Outcome, w *watch, boot Boot) *BootError {
	e := &BootError{
		Outcome: o, Kernel: m.Kernel, After: boot.Elapsed, Next: next[o],
		ConsoleTail: boot.Console, ConsolePath: m.ConsoleLog,
	}
	if f := w.console.finding; f.Outcome != "" {
		e.Line = f.Line
		if w.console.fatal() {
			e.KernelBad, e.Next = f.KernelBad, f.Next
		}
	}
	switch o {
	case NotStarted, Died:
		e.Err = w.exitErr
	case LostResults, EndedEarly:
		e.Err = w.decodeErr
	}
	return e
}

// process is a QEMU process with its two serial ports on pipes.
type process struct {
	stop    context.CancelCauseFunc
	exit    chan error
	console chan []byte
	events  chan guest.Event
	stream  chan error // the decoder's last error, nil for a clean end
}

// start runs QEMU. Everything that it starts has ended when all of follow's channels are closed.
func start(ctx context.Context, args []string) (*process, error) {
	cr, cw, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", Program, err)
	}
	rr, rw, err := os.Pipe()
	if err != nil {
		cr.Close()
		cw.Close()
		return nil, fmt.Errorf("start %s: %w", Program, err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	p := &process{stop, make(chan error, 1), make(chan []byte), make(chan guest.Event), make(chan error, 1)}
	go func() {
		err := command.Run(ctx, command.Cmd{Args: args, ExtraFiles: []*os.File{cw, rw}})
		// The readers see the end of their pipes when the last writing end is closed, so close
		// ours.
		cw.Close()
		rw.Close()
		p.exit <- err
	}()
	go func() {
		defer cr.Close()
		defer close(p.console)
		for {
			b := make([]byte, 8<<10)
			n, err := cr.Read(b)
			if n > 0 {
				p.console <- b[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	go func() {
		defer rr.Close()
		defer close(p.events)
		p.stream <- decode(rr, p.events)
		// A full pipe would stop the guest, and with it the console that says why.
		io.Copy(io.Discard, rr)
	}()
	return p, nil
}

// decode sends events on until the stream ends, and returns nil, or until it is wrong.
func decode(r io.Reader, events chan<- guest.Event) error {
	d := guest.NewDecoder(r)
	for {
		e, err := d.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		events <- e
	}
}

// follow feeds w until QEMU and both pipes have ended. It returns the error of writing log.
func (p *process) follow(w *watch, log io.Writer, onEvent func(guest.Event)) (logErr error) {
	defer p.stop(errEnough)
	timer := time.NewTimer(time.Until(w.deadline()))
	defer timer.Stop()
	for running := true; running || p.console != nil || p.events != nil || p.stream != nil; {
		select {
		case b, ok := <-p.console:
			if !ok {
				p.console = nil
				break
			}
			w.consoleBytes(b, time.Now())
			if logErr == nil {
				if _, logErr = log.Write(b); logErr != nil {
					p.stop(errEnough)
				}
			}
		case e, ok := <-p.events:
			if !ok {
				p.events = nil
				break
			}
			w.event(e, time.Now())
			if onEvent != nil {
				onEvent(e)
			}
		case err := <-p.stream:
			p.stream = nil
			w.streamEnded(err, time.Now())
		case <-timer.C:
			w.expire(time.Now())
			p.stop(errEnough)
			continue
		case err := <-p.exit:
			running = false
			w.exited = time.Now()
			if !errors.Is(err, errEnough) {
				w.exitErr = err
			}
		}
		timer.Reset(time.Until(w.deadline()))
	}
	return logErr
}
