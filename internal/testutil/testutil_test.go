// SPDX-License-Identifier: Apache-2.0

package testutil

import (
	"os"
	"testing"
	"time"
)

// What a killed test left goes with the next one; what a running one uses stays.
func TestMemory(t *testing.T) {
	const prefix = "ovzmemory"
	left, err := os.MkdirTemp("/dev/shm", prefix)
	if err != nil {
		t.Fatal(err)
	}
	used, remove, err := Memory(prefix)
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	fresh, err := os.MkdirTemp("/dev/shm", prefix)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(fresh)
	old := time.Now().Add(-time.Hour)
	for _, dir := range []string{left, used} {
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
	}
	_, again, err := Memory(prefix)
	if err != nil {
		t.Fatal(err)
	}
	again()
	if _, err := os.Stat(left); err == nil {
		t.Errorf("%s is there still", left)
	}
	for _, dir := range []string{used, fresh} {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}
