// SPDX-License-Identifier: Apache-2.0

package container_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"ovzpatch/internal/container"
)

// Containers themselves are made in the guest only; see cmd/umounttest.

func TestBackendNamesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range container.Backends() {
		if b.Name() == "" || seen[b.Name()] {
			t.Errorf("name %q is empty or taken", b.Name())
		}
		seen[b.Name()] = true
	}
	if !seen["namespaces"] || !seen["userns"] {
		t.Errorf("got %v", seen)
	}
}

func TestPIDNamespaceIsWhatProcShows(t *testing.T) {
	id, err := container.PIDNamespace(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	link, err := os.Readlink("/proc/self/ns/pid")
	if err != nil || link != "pid:["+id+"]" {
		t.Errorf("id %s, /proc shows %s, %v", id, link, err)
	}
}

func TestStartAfterTheContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	c, err := container.Namespaces{}.Start(ctx, container.Spec{Args: []string{"/no/such/program"}})
	if c != nil || !errors.Is(err, cause) {
		t.Errorf("got %v, %v", c, err)
	}
}
