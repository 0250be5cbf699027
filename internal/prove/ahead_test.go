// SPDX-License-Identifier: Apache-2.0

package prove

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"ovzpatch/internal/job"
	"ovzpatch/internal/report"
)

// What is tried before its turn says nothing before it, and counts only for the packages that it was of.
func TestAheadSpeaksAtItsTurn(t *testing.T) {
	try := func(fails error) *ahead {
		return begin(t.Context(), "dir", func(_ context.Context, u job.Reporter) ([]report.Kernel, error) {
			u.Say("booting %d%%", 1)
			u.Live("not kept")
			u.Say("vulnerable")
			return []report.Kernel{{Label: "l"}}, fails
		})
	}
	a := try(nil)
	var u later
	if _, ok := a.wait("other", &u); ok || len(u.lines) > 0 {
		t.Errorf("other packages: %t, it said %q", ok, u.lines)
	}
	tried, ok := a.wait("dir", &u)
	if !ok || len(tried) != 1 || !reflect.DeepEqual(u.lines, []string{"booting 1%", "vulnerable"}) {
		t.Errorf("%v, %t, said %q", tried, ok, u.lines)
	}
	a.end()
	// One that failed is tried again, and nothing is said twice.
	u.lines = nil
	a = try(errors.New("fails"))
	if _, ok := a.wait("dir", &u); ok || len(u.lines) > 0 {
		t.Errorf("it failed: %t, it said %q", ok, u.lines)
	}
	a.end()
	var none *ahead
	if _, ok := none.wait("dir", &u); ok {
		t.Error("none was begun")
	}
	none.end()
}

// Where the other kernel fails the trial is ended, and nothing of it is left running.
func TestAheadIsEnded(t *testing.T) {
	ended := false
	a := begin(t.Context(), "dir", func(ctx context.Context, _ job.Reporter) ([]report.Kernel, error) {
		<-ctx.Done()
		ended = true
		return nil, fmt.Errorf("boot: %w", context.Cause(ctx))
	})
	a.end()
	if !ended {
		t.Error("it was left alone")
	}
}
