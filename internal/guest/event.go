// SPDX-License-Identifier: Apache-2.0

// Package guest defines what the guest tells the host: JSON lines on the second serial port,
// numbered from 1, first a hello, last a done. The host believes nothing that the stream does not
// prove: a gap, a repeated number or a missing done is an error.
package guest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Limits on what a guest may send. The guest is untrusted: its kernel is on trial.
const (
	MaxLine   = 64 << 10 // bytes of one event
	MaxEvents = 10_000
)

// CompatProgram is the path of a 32-bit umounttest in an x86_64 guest.
const CompatProgram = "/bin/umounttest-386"

const (
	// ShellScript is the path of the commands that the guest's shell must run.
	ShellScript = "/etc/umounttest/script"
	// ShellEnded and a number form a line on the console when the shell has ended.
	ShellEnded = "umounttest: the shell ended with status "
)

// A directory of the host is at ShareDir, by 9p under the mount tag ShareTag, or as a copy.
const (
	ShareDir = "/mnt/share"
	ShareTag = "share"
)

// Verdict says which kernel a case, or a whole run, behaved like.
type Verdict string

const (
	// Protected: as a kernel with the patch must behave.
	Protected Verdict = "protected"
	// Vulnerable: as a kernel without the patch behaves.
	Vulnerable Verdict = "vulnerable"
	// Either: as both must behave; such a case is a control.
	Either Verdict = "either"
	// Faulty: as neither behaves; a wrong port looks like this.
	Faulty Verdict = "faulty"
	// Inconclusive: the case could not be run, or its evidence is missing.
	Inconclusive Verdict = "inconclusive"
)

// Event is one line. Exactly one of the pointers is set.
type Event struct {
	N     int     `json:"n"`
	Hello *Hello  `json:"hello,omitempty"`
	Note  *Note   `json:"note,omitempty"`
	Try   *Try    `json:"try,omitempty"`
	Case  *Result `json:"case,omitempty"`
	State *State  `json:"state,omitempty"`
	Done  *Done   `json:"done,omitempty"`
}

// Hello is the first event: which kernel runs, and with which arguments.
type Hello struct {
	Release  string   `json:"release"` // as uname -r says
	Machine  string   `json:"machine"` // as uname -m says
	Args     []string `json:"args"`    // the umounttest.* words of the kernel command line
	Backends []string `json:"backends"`
	Cases    int      `json:"cases"` // results that will follow
}

// Note is a line for people: progress, a warning of the test runner.
type Note struct {
	Text string `json:"text"`
}

// Try says which case starts. If the kernel dies, this was the case.
type Try struct {
	Name    string `json:"name"`
	Backend string `json:"backend"`
}

// Result is one case on one container backend.
type Result struct {
	Name    string  `json:"name"`
	Backend string  `json:"backend"` // "host" if the case has no container
	Verdict Verdict `json:"verdict"`
	// Why says in one sentence what was expected and what happened instead; "" if the case
	// behaved as one of the two kernels must.
	Why string `json:"why,omitempty"`
	Got Seen   `json:"got"`
	// Log holds the case's kernel log lines (facility kernel) on which the judgement is based.
	Log []string `json:"log,omitempty"`
	// Finding names harm that the case showed and that no port prevents.
	Finding string `json:"finding,omitempty"`
	// Millis is how long the case took, in guest milliseconds.
	Millis int64 `json:"ms"`
}

// Seen is what one case showed, in the terms of the judgement.
type Seen struct {
	Errno    string `json:"errno"`             // of the umount: "0", "EBUSY", ...
	Forced   int    `json:"forced"`            // calls of umount_begin
	Messages int    `json:"messages"`          // override messages in the host's log
	ID       string `json:"id,omitempty"`      // container id in the messages; all of them, where they differ
	Want     string `json:"want,omitempty"`    // the id that a message must name: that of the acting process's container
	Own      int    `json:"own,omitempty"`     // override messages in the container's own log, if it has one
	Inactive int    `json:"inactive"`          // INACTIVE lines
	Host     string `json:"host"`              // errno of a read and a write on the host afterwards
	Peer     string `json:"peer,omitempty"`    // the same in the other container
	Held     string `json:"held,omitempty"`    // the same through what was held open
	Mounted  bool   `json:"mounted"`           // the path is still a mount point inside
	Acted    int64  `json:"acted_ms"`          // how long the umount, or a whole flood, took, in guest milliseconds
	Level    string `json:"level,omitempty"`   // levels of the messages, if not warning
	Odd      string `json:"odd,omitempty"`     // first line in the kernel's log that the case does not explain
	Slower   int64  `json:"slower,omitempty"`  // shortest time of a call in a flood, in milliseconds
	Grown    int    `json:"grown,omitempty"`   // kernel memory that a flood left in use, in KiB
	Waited   int64  `json:"waited,omitempty"`  // how long another container had to wait now and then to mount and umount a tmpfs, in milliseconds
	Kept     string `json:"kept,omitempty"`    // objects that stay in the kernel, about one for each call
	Changed  string `json:"changed,omitempty"` // what the call changed in the thread that made it
	Left     int    `json:"left,omitempty"`    // superblocks that live on
	// Trouble is the first line in which the kernel reported a warning, a bug, an oops, a locking
	// mistake or a stall.
	Trouble string `json:"trouble,omitempty"`
}

// The states of a livepatch on trial, in their order.
const (
	NotLoaded   = "not loaded"
	Loaded      = "loaded"
	Disabled    = "disabled"
	LoadedAgain = "loaded again"
)

// State ends the cases that were run in one state of the livepatch on trial. They are those
// since the State before.
type State struct {
	Name    string  `json:"name"`
	Cases   int     `json:"cases"`
	Verdict Verdict `json:"verdict"` // over these cases
	// Millis is how long the way into the state took, in guest milliseconds.
	Millis int64 `json:"ms"`
	// Failed says why the state was not reached, "" where it was. It is the last one then.
	Failed string `json:"failed,omitempty"`
}

// Done is the last event: how many results were sent, and the overall verdict.
type Done struct {
	Cases   int     `json:"cases"`
	Verdict Verdict `json:"verdict"`
	// Failed says why the cases could not run: a user's Lustre did not come up. It is not a
	// verdict on the kernel.
	Failed string `json:"failed,omitempty"`
}

// Encoder writes events and numbers them.
type Encoder struct {
	w io.Writer
	n int
}

// NewEncoder returns an Encoder whose first event is number 1.
func NewEncoder(w io.Writer) *Encoder { return &Encoder{w: w} }

// Encode numbers e and writes it as one line in one write.
func (enc *Encoder) Encode(e Event) error {
	enc.n++
	e.N = enc.n
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event %d: %w", e.N, err)
	}
	if _, err := enc.w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write event %d: %w", e.N, err)
	}
	return nil
}

// ErrNoDone means that the stream ended without a done. Decoder.Next returns it.
var ErrNoDone = errors.New("the guest never said it was done")

// Decoder reads and checks a stream of events.
type Decoder struct {
	s    *bufio.Scanner
	n    int
	seen int // results so far
	told int // results that belong to a state
	done bool
}

// NewDecoder returns a Decoder that expects event number 1.
func NewDecoder(r io.Reader) *Decoder {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4096), MaxLine)
	return &Decoder{s: s}
}

// Next returns the next event, io.EOF after a done, or an error that says what is wrong with the
// stream.
func (d *Decoder) Next() (Event, error) {
	if !d.s.Scan() {
		if err := d.s.Err(); err != nil {
			return Event{}, fmt.Errorf("read event %d: %w", d.n+1, err)
		}
		if !d.done {
			return Event{}, ErrNoDone
		}
		return Event{}, io.EOF
	}
	e, err := d.check(d.s.Bytes())
	if err != nil {
		return Event{}, fmt.Errorf("read event %d: %w", d.n+1, err)
	}
	d.n = e.N
	return e, nil
}

func (d *Decoder) check(line []byte) (Event, error) {
	var e Event
	if d.done {
		return e, errors.New("data after done")
	}
	if d.n == MaxEvents {
		return e, fmt.Errorf("more than %d events", MaxEvents)
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("not an event: %w", err)
	}
	kinds := 0
	for _, set := range []bool{e.Hello != nil, e.Note != nil, e.Try != nil, e.Case != nil, e.State != nil, e.Done != nil} {
		if set {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return e, fmt.Errorf("an event has one kind, this one has %d", kinds)
	case e.N != d.n+1:
		return e, fmt.Errorf("its number is %d: events were lost", e.N)
	case (e.Hello != nil) != (e.N == 1):
		return e, errors.New("hello must be the first event, and only the first")
	}
	if e.Case != nil {
		d.seen++
	}
	if e.State != nil {
		if e.State.Cases != d.seen-d.told {
			return e, fmt.Errorf("state counts %d cases, but %d arrived", e.State.Cases, d.seen-d.told)
		}
		d.told = d.seen
	}
	if e.Done != nil {
		d.done = true
		if e.Done.Cases != d.seen {
			return e, fmt.Errorf("done counts %d cases, but %d arrived", e.Done.Cases, d.seen)
		}
	}
	return e, nil
}
