// SPDX-License-Identifier: Apache-2.0

// Package job holds what the steps of the main job have in common: how they tell what they
// are doing, and of which kind their errors are. The kinds are for errors.Is; only the
// commands make exit codes of them.
package job

import "errors"

// Reporter is where a job says what it is doing, as it does it.
type Reporter interface {
	// Say writes a line that stays.
	Say(format string, args ...any)
	// Live tells how a long step is going; each line takes the place of the one before.
	Live(format string, args ...any)
	// Steps is Live for several steps at a time: all is about them together.
	Steps(all string, each []Step)
	// Done ends what Live and Steps tell.
	Done()
}

// Step is one of several that are taken at a time, or one after another.
type Step struct {
	Name string
	Text string // how it is going
	Now  bool   // it is being taken
}

// Quiet is a Reporter that says nothing.
type Quiet struct{}

func (Quiet) Say(string, ...any)   {}
func (Quiet) Live(string, ...any)  {}
func (Quiet) Steps(string, []Step) {}
func (Quiet) Done()                {}

// The kinds of errors. An error of none of them is a tool or a machine that failed.
var (
	// ErrRequest is for what was asked: nothing was tried, and nothing can be.
	ErrRequest = errors.New("the request cannot be met")
	// ErrMisfit is for a patch that does not fit the source, or would be misplaced there.
	ErrMisfit = errors.New("the patch does not fit")
	// ErrBehaved is for a kernel that was tried and did not behave as expected.
	ErrBehaved = errors.New("the kernel did not behave as expected")
	// ErrNoVerdict is for a kernel that was booted, and of which nothing is known yet.
	ErrNoVerdict = errors.New("there is no verdict")
)

// BadRequest makes err one that is ErrRequest. Its text stays.
func BadRequest(err error) error { return &kindOf{ErrRequest, err} }

// Misfit makes err one that is ErrMisfit. Its text stays.
func Misfit(err error) error { return &kindOf{ErrMisfit, err} }

// Misbehaved makes err one that is ErrBehaved. Its text stays.
func Misbehaved(err error) error { return &kindOf{ErrBehaved, err} }

// NoVerdict makes err one that is ErrNoVerdict. Its text stays.
func NoVerdict(err error) error { return &kindOf{ErrNoVerdict, err} }

// kindOf is an error that is of a kind besides what it is itself.
type kindOf struct{ kind, err error }

func (e *kindOf) Error() string        { return e.err.Error() }
func (e *kindOf) Unwrap() error        { return e.err }
func (e *kindOf) Is(target error) bool { return target == e.kind }
