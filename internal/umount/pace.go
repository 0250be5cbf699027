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
//
// OpenVZ's 2.6.18 has vz_ratelimit instead: a bucket that each message fills by one, and of
// which a message takes one away for every interval since the message before.
type pace struct {
	bucket bool // the limit is vz_ratelimit
	seen   []time.Time
	full   int       // of the bucket, or less
	ready  time.Time // when the last wait was over
}

// note keeps that n messages were written until now.
func (p *pace) note(n int, now time.Time) {
	if n == 0 {
		return
	}
	if len(p.seen) > 0 {
		// The kernel may have seen a longer pause, and taken more away, never less.
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

// delay is how long from now on one of the next n messages might be swallowed.
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

// wait waits until there is room for n messages, or for ctx's end.
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
