// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// With one of these words as its first argument, the program is an agent or does one umount.
const (
	AgentWord  = "agent"
	UmountWord = "umount2"
)

// request asks the agent to do one thing; Op is a key of agentOps.
type request struct {
	Op     string
	Path   string
	Source string
	Other  string // a directory for a mount on the way
	Origin string
	Flags  int
	Times  int
	OwnLog bool // read the container's own log as well
}

// reply answers a request. Err is a failure of the machinery, not of the umount.
type reply struct {
	Errno   string `json:",omitempty"`
	ID      string `json:",omitempty"` // pid namespace of the process that acted, where not the agent's
	Mounted bool   `json:",omitempty"`
	// Messages counts the new override messages in the container's own log.
	Messages int    `json:",omitempty"`
	Slower   int64  `json:",omitempty"` // milliseconds, see flood and neighbour
	Changed  string `json:",omitempty"` // see changedState
	Err      string `json:",omitempty"`
}

// agent is the state of a container's first process.
type agent struct {
	self    string // this program, to run itself
	held    *holding
	ownSeen int   // override messages in the container's own log so far
	start   state // of its first thread when it began, before any umount
}

// Agent serves requests, one JSON value each, until there are no more. It is a container's first process, so
// the container ends with it. The main goroutine must be locked to the main thread, because some operations
// spoil the thread on which they run.
func Agent(self string, requests io.Reader, replies io.Writer) error {
	start, err := callerState()
	if err != nil {
		return err
	}
	a := &agent{self: self, start: start}
	in, out := json.NewDecoder(requests), json.NewEncoder(replies)
	for {
		var q request
		if err := in.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		r, err := a.serve(q)
		if err != nil {
			r.Err = err.Error()
		}
		if err := out.Encode(r); err != nil {
			return fmt.Errorf("write reply to %s: %w", q.Op, err)
		}
	}
}

var agentOps = map[string]func(*agent, request) (reply, error){
	"slave":   (*agent).slave,
	"bind":    (*agent).bind,
	"make":    (*agent).make,
	"hold":    (*agent).hold,
	"read":    (*agent).read,
	"look":    (*agent).look,
	"release": (*agent).release,
	"umount":  (*agent).umount,
	"flood":   (*agent).flood,
	"threads": (*agent).threads,
	"command": (*agent).command,
	"sweep":   (*agent).sweep,
	"remount": (*agent).remount,

	"neighbour": (*agent).neighbour,

	"child":         (*agent).umountChild,
	"thread":        (*agent).umountThread,
	"uid":           (*agent).umountUser,
	"uid-admin":     (*agent).umountUserWithAdmin,
	"without-admin": (*agent).umountWithoutAdmin,

	"session":           (*agent).umountSession,
	"no-new-privileges": (*agent).umountNoNewPrivileges,

	"unshare":      (*agent).umountUnshared,
	"unshare-pid":  (*agent).umountUnsharedPID,
	"own-pid":      (*agent).umountSelfUnshared,
	"setns":        (*agent).umountSetns,
	"nested":       (*agent).umountNested,
	"nested-twice": (*agent).umountNestedTwice,
	"relative":     (*agent).umountRelative,
	"compat":       (*agent).umountCompat,
	"oldumount":    (*agent).oldumount,
	"chroot":       (*agent).umountChrooted,
	"pivot":        (*agent).umountPivoted,
	"automount":    (*agent).umountAutomount,
}

func (a *agent) serve(q request) (reply, error) {
	op, ok := agentOps[q.Op]
	if !ok {
		return reply{}, fmt.Errorf("no operation %q", q.Op)
	}
	return op(a, q)
}
