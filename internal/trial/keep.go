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
	evidence, err := json.Marshal(k.Results)
	if err != nil {
		return err
	}
	return s.UpdateManifest(ctx, ref, func(m *datastore.Manifest) error {
		m.Verdicts = append(m.Verdicts, datastore.Verdict{
			Time: time.Now().UTC().Truncate(time.Second), File: k.Package,
			Verdict: string(k.Verdict), Expected: string(k.Expect), Evidence: evidence,
		})
		return nil
	})
}
