// SPDX-License-Identifier: Apache-2.0

package gate

import "context"

// budget is what a part of a check may cost, all that it does together. Each function, value and way has a limit of its
// own, but there may be many of them. A nil budget has no end.
type budget struct {
	done  <-chan struct{} // of the context; a check ends soon after it
	left  int             // steps, of some ten nanoseconds each
	since int             // they have been spent since done was looked at
	spent bool
	line  int // that was worked on when it was spent
}

// What a check may cost: that of a kernel spends a twentieth of it at most.
const (
	waySteps  = 200_000_000
	readSteps = 200_000_000
)

func newBudget(ctx context.Context, steps int) *budget {
	return &budget{done: ctx.Done(), left: steps}
}

func (b *budget) over() bool { return b != nil && b.spent }

// spend takes steps for the work on a line, and reports whether there were so many.
func (b *budget) spend(steps, line int) bool {
	if b == nil || b.spent {
		return b == nil
	}
	b.left -= steps
	if b.since += steps; b.since > 100000 {
		b.since = 0
		select {
		case <-b.done:
			b.left = -1
		default:
		}
	}
	if b.left < 0 {
		b.spent, b.line = true, line
	}
	return !b.spent
}
