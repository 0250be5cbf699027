// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Container is what a case needs of a running container.
type Container interface {
	// ID is what the override message names the container by.
	ID() string
	// PID is the first process as the host numbers it.
	PID() int
	// Root is where the host sees the container's root, "" where it is the host's own.
	Root() string
	// Enter runs a program as a task of the container with the host's credentials,
	// EnterMounts as a task of the host that sees the container's mounts. Both wait for
	// its end and give its standard output.
	Enter(ctx context.Context, args []string) ([]byte, error)
	EnterMounts(ctx context.Context, args []string) ([]byte, error)
	// Kill ends every process of the container and waits until they are gone.
	Kill() error
}

// Backend makes containers.
type Backend struct {
	Name string
	Gate Gate // what stands before a forced umount by root of such a container
	// VE says that its containers are OpenVZ's VEs: the kernel knows them by number, also
	// from a pid namespace within, and each has a log of its own.
	VE bool
	// Start makes a container whose first process runs args with files as descriptors
	// 3, 4, ...
	Start func(context.Context, Start) (Container, error)
}

// Start is what a container is started with.
type Start struct {
	Args  []string
	Files []*os.File
	// Source is a directory of the host that a VE has mounted at Target from its start, where
	// that is not empty.
	Source, Target string
	ID             int // of a VE; 0 for the next free one
	// Init makes the program process 1 of a VE of the ve cgroup, as it is of containers of
	// namespaces anyway.
	Init bool
	// Programs are files of the host that a VE with a root of its own has, too.
	Programs []string
}

// conn is a container with an agent in it.
type conn struct {
	Container
	requests *os.File
	replies  *os.File
	in       *json.Decoder
	out      *json.Encoder
}

// connect starts a container with an agent; s lacks only the files.
func connect(ctx context.Context, b Backend, s Start) (*conn, error) {
	requestEnd, requests, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe to the agent: %w", err)
	}
	defer requestEnd.Close()
	replies, replyEnd, err := os.Pipe()
	if err != nil {
		requests.Close()
		return nil, fmt.Errorf("make pipe from the agent: %w", err)
	}
	defer replyEnd.Close()
	s.Files = []*os.File{requestEnd, replyEnd}
	c, err := b.Start(ctx, s)
	if err != nil {
		requests.Close()
		replies.Close()
		return nil, err
	}
	return &conn{c, requests, replies, json.NewDecoder(replies), json.NewEncoder(requests)}, nil
}

// call asks the agent; the error is a fault of the machinery or ctx's end.
func (c *conn) call(ctx context.Context, q request) (reply, error) {
	stop := context.AfterFunc(ctx, func() { c.replies.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	fail := func(err error) (reply, error) {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return reply{}, fmt.Errorf("ask the agent for %s: %w", q.Op, err)
	}
	if err := c.out.Encode(q); err != nil {
		return fail(err)
	}
	var r reply
	if err := c.in.Decode(&r); err != nil {
		return fail(err)
	}
	if r.Err != "" {
		return fail(errors.New(r.Err))
	}
	return r, nil
}

// finish lets the agent come to its end and waits for it.
func (c *conn) finish(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.replies.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	c.requests.Close()
	if _, err := c.in.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("wait for the agent's end: %w", err)
	}
	return nil
}

// close takes the container down.
func (c *conn) close() error {
	c.requests.Close()
	c.replies.Close()
	return c.Kill()
}
