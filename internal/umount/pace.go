// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"time"
)

// burst and interval are the kernel's default rate limit (DEFAULT_RATELIMIT_BURST and
// DEFAULT_RATELIMIT_INTERVAL). A message it swallows looks like one that was never
// written, which is right in some cases and wrong in others: each waits for room.
const (
	burst    = 10
	interval = 5 * time.Second
	// margin covers the kernel's coarser clock.
	margin = 20 * time.Millisecond
)

// pace knows when messages were written. The kernel counts them in windows that begin
// with a message: their first, or in kernels like 2.6.32 and 3.10, where lib/ratelimit.c
// sets begin to 0 when a window is over, their second, and then the first counts all the same.
type pace struct{ seen []time.Time }

// note keeps that n messages were written until now.
func (p *pace) note(n int, now time.Time) {
	for range n {
		p.seen = append(p.seen, now)
	}
	if len(p.seen) > burst {
		p.seen = p.seen[len(p.seen)-burst:]
	}
}

// delay is how long from now on the next message might be swallowed.
func (p *pace) delay(now time.Time) time.Duration {
	if len(p.seen) < burst {
		return 0
	}
	return max(0, p.seen[1].Add(interval+margin).Sub(now))
}

// wait waits until there is room for a message, for a flood until there is all the room, or
// for ctx's end.
func (p *pace) wait(ctx context.Context, flood bool) error {
	now := time.Now()
	d := p.delay(now)
	if flood && len(p.seen) > 0 {
		d = max(0, p.seen[len(p.seen)-1].Add(interval+margin).Sub(now))
	}
	if d == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
