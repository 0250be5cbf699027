// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/report"
)

// Keep notes the outcome of a test in the manifest of the snapshot that was tested.
func Keep(ctx context.Context, s *datastore.Store, ref datastore.Ref, k *report.Kernel) error {
	return note(ctx, s, ref, k, false)
}

// KeepControl notes in a snapshot's manifest how the same kernel without the patch behaved.
func KeepControl(ctx context.Context, s *datastore.Store, ref datastore.Ref, k *report.Kernel) error {
	return note(ctx, s, ref, k, true)
}

// KeepBoth notes what was found of the kernels of one build, and of those without the patch.
func KeepBoth(ctx context.Context, s *datastore.Store, ref datastore.Ref, with, without []report.Kernel) error {
	for _, k := range with {
		if err := Keep(ctx, s, ref, &k); err != nil {
			return err
		}
	}
	for _, k := range without {
		if err := KeepControl(ctx, s, ref, &k); err != nil {
			return err
		}
	}
	return nil
}

// IsControl refuses a snapshot that does not hold the kernel of another without its patch. It
// is told before a guest is booted for it.
func IsControl(control, patched *datastore.Manifest) error {
	fail := func(why string) error {
		return job.BadRequest(fmt.Errorf("take %s as the control of %s: %s", control.Snapshot, patched.Snapshot, why))
	}
	switch {
	case control.Port.Name != "":
		return fail("it has the patch, too; build it with ovzpatch build --without-patch --store")
	case patched.Port.Name == "":
		return fail("that one has no patch")
	case control.Source.SHA256 == "" || control.Source.SHA256 != patched.Source.SHA256:
		return fail("they were not built from the same source")
	case control.Snapshot.Type != patched.Snapshot.Type || control.Snapshot.ID != patched.Snapshot.ID:
		return fail("they are not the same kernel for the same architecture")
	}
	return nil
}

func note(ctx context.Context, s *datastore.Store, ref datastore.Ref, k *report.Kernel, control bool) error {
	evidence, err := json.Marshal(k.Results)
	if err != nil {
		return err
	}
	return s.UpdateManifest(ctx, ref, func(m *datastore.Manifest) error {
		m.Verdicts = append(m.Verdicts, datastore.Verdict{
			Time: time.Now().UTC().Truncate(time.Second), File: k.Package, SHA256: k.SHA256, Control: control,
			Verdict: string(k.Verdict), Expected: string(k.Expect), Evidence: evidence,
		})
		return nil
	})
}
