// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeContainer runs agent on its ends of the pipes, for faults that a real container
// cannot be made to show.
type fakeContainer struct {
	Container
	killed int
}

func (c *fakeContainer) Kill() error { c.killed++; return nil }

func fakeBackend(t *testing.T, c *fakeContainer, agent func(requests, replies *os.File)) Backend {
	return Backend{Name: "fake", Start: func(_ context.Context, s Start) (Container, error) {
		var own []*os.File
		for _, f := range s.Files {
			fd, err := syscall.Dup(int(f.Fd()))
			if err != nil {
				return nil, err
			}
			own = append(own, os.NewFile(uintptr(fd), f.Name()))
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			agent(own[0], own[1])
		}()
		t.Cleanup(func() { <-done; own[0].Close(); own[1].Close() })
		return c, nil
	}}
}

func TestCallOfAnAgent(t *testing.T) {
	c := &fakeContainer{}
	b := fakeBackend(t, c, func(requests, replies *os.File) {
		Agent("/no/such/program", requests, replies)
		replies.Close()
	})
	conn, err := connect(t.Context(), b, Start{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := conn.call(t.Context(), request{Op: "look", Path: "/proc"}); err != nil || !r.Mounted {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := conn.call(t.Context(), request{Op: "dance"}); err == nil || !strings.Contains(err.Error(), `ask the agent for dance: no operation "dance"`) {
		t.Errorf("got %v", err)
	}
	if err := conn.finish(t.Context()); err != nil {
		t.Error(err)
	}
	if err := conn.close(); err != nil || c.killed != 1 {
		t.Errorf("killed %d times, %v", c.killed, err)
	}
}

func TestCallOfAnAgentThatDied(t *testing.T) {
	c := &fakeContainer{}
	b := fakeBackend(t, c, func(requests, replies *os.File) { requests.Close(); replies.Close() })
	conn, err := connect(t.Context(), b, Start{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	if _, err := conn.call(t.Context(), request{Op: "look"}); err == nil || !strings.Contains(err.Error(), "ask the agent for look") {
		t.Errorf("got %v", err)
	}
}

// An umount that hangs in the kernel must not hang the run.
func TestCallOfAnAgentThatHangs(t *testing.T) {
	hang := make(chan struct{})
	c := &fakeContainer{}
	b := fakeBackend(t, c, func(_, _ *os.File) { <-hang })
	conn, err := connect(t.Context(), b, Start{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	defer close(hang)
	cause := errors.New("not done in time")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, cause)
	defer cancel()
	for range 2 {
		if _, err := conn.call(ctx, request{Op: "umount"}); !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
	}
}
