// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"os"
	"strings"
	"testing"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
)

func TestRequestCheck(t *testing.T) {
	store := func() (*datastore.Store, error) { return nil, nil }
	for want, q := range map[string]Request{
		"--expect=either: it must be protected or vulnerable": {Expect: guest.Either},
		"--control-of: ": {ControlOf: "kernel/x/2026-05-02T08:11:33Z"},
		"--livepatch: ":  {Livepatch: "/no/such.ko"},
		// This program is no kernel module.
		"--livepatch: read module ": {Livepatch: os.Args[0]},
	} {
		if err := q.Check(); !errors.Is(err, job.ErrRequest) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, q := range []Request{{}, {Expect: guest.Protected}, {Expect: guest.Vulnerable, ControlOf: "kernel/x/2026-05-02T08:11:33Z", Store: store}} {
		if err := q.Check(); err != nil {
			t.Error(err)
		}
	}
}
