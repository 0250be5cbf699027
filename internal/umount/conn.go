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

// Container is a running container.
type Container interface {
	// ID is the container's number in the override message.
	ID() string
	// PID is the number of the first process on the host.
	PID() int
	// Root is where the host sees the container's root, "" where it is the host's own.
	Root() string
	// Enter runs a program as a task of the container with the host's credentials,
	// EnterMounts as a task of the host that sees the container's mounts. Both wait for
	// its end and return its standard output.
	Enter(ctx context.Context, args []string) ([]byte, error)
	EnterMounts(ctx context.Context, args []string) ([]byte, error)
	// Kill ends every process of the container and waits until they are gone.
	Kill() error
}

// Backend makes containers.
type Backend struct {
	Name string
	Gate Gate // for root in such a container
	// VE: the containers are OpenVZ's VEs. The kernel knows them by number, also from a pid namespace
	// within, and each has its own log.
	VE bool
	// Start makes a container whose first process runs args with files as descriptors
	// 3, 4, ...
	Start func(context.Context, Start) (Container, error)
}

// Start says how a container is started.
type Start struct {
	Args  []string
	Files []*os.File
	// Source is a directory of the host that a VE has at Target from its start; an empty Target is
	// none.
	Source, Target string
	ID             int // of a VE; 0 for the next free one
	// Init makes the program process 1 of a VE of the ve cgroup. In containers of namespaces it
	// always is.
	Init bool
	// Bare makes a container of namespaces of less: a pid namespace alone, or a user and a mount namespace.
	Bare bool
	// Programs are files of the host that a VE with its own root gets.
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

// connect starts a container with an agent. It fills in the files of s.
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

// call sends a request to the agent. An error is a failure of the machinery, or the end of ctx.
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

// finish ends the agent and waits for its end.
func (c *conn) finish(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.replies.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	c.requests.Close()
	if _, err := c.in.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("wait for the agent's end: %w", err)
	}
	return nil
}

// close ends the container.
func (c *conn) close() error {
	c.requests.Close()
	c.replies.Close()
	return c.Kill()
}
