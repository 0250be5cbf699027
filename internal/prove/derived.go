// SPDX-License-Identifier: Apache-2.0

package prove

import (
	"context"
	"errors"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/derive"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/report"
)

// Derived is Prove for a port that was derived for the source and lies in the file out. What the kernels did
// goes into the header of that file, also where an error ends the work.
func Derived(ctx context.Context, source string, f *fit.Fit, out string, o Options) (*report.Report, error) {
	o.Recipe.Port = fit.Port{Derive: fit.Always}
	r, err := Prove(ctx, source, o)
	if seen := r.Seen(); seen != "" {
		err = errors.Join(err, atomicfile.WriteBytes(out, derive.Tried(f.Port, "ovzpatch port --prove tried it: "+seen+".")))
	}
	return r, err
}
