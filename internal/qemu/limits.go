// SPDX-License-Identifier: Apache-2.0

package qemu

import "time"

// Limits end a boot that makes no progress.
type Limits struct {
	Silent   time.Duration // until the first byte on the console
	Progress time.Duration // from one event of the guest to the next
	Total    time.Duration // from the start until the guest says it is done
	// Settle is how long QEMU may run once the outcome is known: the kernel still prints a
	// panic's trace, a finished guest powers off.
	Settle time.Duration
}

// How far a measured slowdown may change the limits. A fast machine gains nothing from shorter
// limits, and a figure that was measured while the host stood still must not make a hang last a
// day.
const (
	minSlowdown = 1
	maxSlowdown = 20
)

// LimitsFor returns the limits for a machine that is slowdown times slower than the reference. On
// the reference, the first byte takes 1 s, a whole boot to the first event 5 s, and the slowest
// case 15 s.
func LimitsFor(slowdown float64) Limits {
	f := min(max(slowdown, minSlowdown), maxSlowdown)
	scale := func(d time.Duration) time.Duration { return time.Duration(f * float64(d)) }
	return Limits{
		Silent:   scale(20 * time.Second),
		Progress: scale(90 * time.Second),
		Total:    scale(15 * time.Minute),
		Settle:   scale(5 * time.Second),
	}
}

// ForDebug returns the limits for a kernel that watches itself.
func (l Limits) ForDebug() Limits {
	l.Silent *= 4
	l.Progress *= 4
	l.Total *= 4
	return l
}

// ForLustre returns the limits for a guest that mounts real Lustre. Before its first case it may
// be silent for 15 minutes: a setup script may take 10, and a client whose servers do not answer
// takes 160 s to say so. And a forced umount takes 10 s.
func (l Limits) ForLustre() Limits {
	l.Progress *= 10
	l.Total *= 3
	return l
}
