// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"encoding/json"
	"time"

	"ovzpatch/internal/datastore"
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

func note(ctx context.Context, s *datastore.Store, ref datastore.Ref, k *report.Kernel, control bool) error {
	evidence, err := json.Marshal(k.Results)
	if err != nil {
		return err
	}
	return s.UpdateManifest(ctx, ref, func(m *datastore.Manifest) error {
		m.Verdicts = append(m.Verdicts, datastore.Verdict{
			Time: time.Now().UTC().Truncate(time.Second), File: k.Package, SHA256: k.SHA256, ConsoleSHA256: k.ConsoleSHA256, Control: control,
			Verdict: string(k.Verdict), Expected: string(k.Expect), Evidence: evidence,
		})
		return nil
	})
}
