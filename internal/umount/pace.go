// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"time"
)

// burst and interval are the kernel's default rate limit (DEFAULT_RATELIMIT_BURST and DEFAULT_RATELIMIT_INTERVAL). A
// message that it drops looks like one that was never written, so each case waits until its messages have room.
const (
	burst    = 10
	interval = 5 * time.Second
	// margin covers the kernel's coarser clock.
	margin = 20 * time.Millisecond
)

// pace knows when messages were written. The kernel counts them in windows that begin with their first message. In
// kernels like 2.6.32 and 3.10, where lib/ratelimit.c sets begin to 0 after a window, they begin with the second, and
// the first counts all the same.
//
// OpenVZ's 2.6.18 has vz_ratelimit instead: a bucket to which each message adds one, after it took one out for every
// interval since the message before.
type pace struct {
	bucket bool // the limit is vz_ratelimit
	seen   []time.Time
	full   int       // the most that the bucket may hold
	ready  time.Time // when the last wait was over
}

// note records that n messages were written until now.
func (p *pace) note(n int, now time.Time) {
	if n == 0 {
		return
	}
	if len(p.seen) > 0 {
		// The kernel may have seen a longer pause and taken out more, never less.
		idle := p.ready.Sub(p.seen[len(p.seen)-1])
		p.full = max(0, p.full-max(0, int(idle/interval)))
	}
	p.full = min(burst, p.full+n)
	for range n {
		p.seen = append(p.seen, now)
	}
	if len(p.seen) > burst {
		p.seen = p.seen[len(p.seen)-burst:]
	}
}

// delay returns for how long the rate limit might drop one of the next n messages.
func (p *pace) delay(n int, now time.Time) time.Duration {
	n = min(n, burst)
	if len(p.seen) == 0 || len(p.seen)+n <= burst || p.bucket && p.full+n <= burst {
		return 0
	}
	last := len(p.seen) - 1
	if p.bucket {
		intervals := p.full + n - burst
		return max(0, p.seen[last].Add(time.Duration(intervals)*interval+margin).Sub(now))
	}
	return max(0, p.seen[min(last, len(p.seen)+n-burst)].Add(interval+margin).Sub(now))
}

// wait waits until there is room for n messages, or until ctx ends.
func (p *pace) wait(ctx context.Context, n int) error {
	d := p.delay(n, time.Now())
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	p.ready = time.Now()
	return ctx.Err()
}
