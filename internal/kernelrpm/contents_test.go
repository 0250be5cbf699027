// SPDX-License-Identifier: Apache-2.0

package kernelrpm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmfile"
)

// What cannot be read does not keep it from the rest, and stays in its place in the list.
func TestLookAll(t *testing.T) {
	none := filepath.Join(t.TempDir(), "no.rpm")
	if err := os.WriteFile(none, []byte("no package"), 0o644); err != nil {
		t.Fatal(err)
	}
	good := made(t, "echo image")
	list, err := LookAll(t.Context(), []string{none, good}, "", job.Quiet{})
	if !errors.Is(err, rpmfile.ErrNotRPM) || len(list) != 2 || list[0].File != "no.rpm" || list[0].Error == "" || list[1].Name != "k" || list[1].Error != "" {
		t.Errorf("%+v, %v", list, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if list, err := LookAll(ctx, []string{good, none}, "", job.Quiet{}); list != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %+v, %v", list, err)
	}
}
