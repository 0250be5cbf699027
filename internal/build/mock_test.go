// SPDX-License-Identifier: Apache-2.0

package build

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ovzpatch/internal/plainfile"
)

func TestAMockConfigurationIsNoPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := MockConfiguration(pipe)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, plainfile.ErrNotPlain) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for the pipe")
	}
}
