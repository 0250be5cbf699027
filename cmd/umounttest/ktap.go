// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"ovzpatch/internal/guest"
)

// ktap prints events for people and for TAP readers.
type ktap struct {
	w io.Writer
	n int // results so far
}

func (k *ktap) emit(e guest.Event) error {
	var b strings.Builder
	switch {
	case e.Hello != nil:
		fmt.Fprintf(&b, "KTAP version 1\n# kernel %s %s\n1..%d\n", e.Hello.Release, e.Hello.Machine, e.Hello.Cases)
	case e.Note != nil:
		fmt.Fprintf(&b, "# %s\n", strings.ReplaceAll(e.Note.Text, "\n", "\n# "))
	case e.Case != nil:
		k.n++
		r := e.Case
		if r.Verdict == guest.Faulty || r.Verdict == guest.Inconclusive {
			b.WriteString("not ")
		}
		fmt.Fprintf(&b, "ok %d %s/%s # %s", k.n, r.Backend, r.Name, r.Verdict)
		if r.Why != "" {
			fmt.Fprintf(&b, ": %s", strings.ReplaceAll(r.Why, "\n", " "))
		}
		b.WriteByte('\n')
	case e.State != nil:
		fmt.Fprintf(&b, "# livepatch %s: %s\n", e.State.Name, cmp.Or(strings.ReplaceAll(e.State.Failed, "\n", "\n# "), string(e.State.Verdict)))
	case e.Done != nil:
		if e.Done.Failed != "" {
			fmt.Fprintf(&b, "# failed: %s\n", strings.ReplaceAll(e.Done.Failed, "\n", "\n# "))
		}
		fmt.Fprintf(&b, "# verdict: %s\n", e.Done.Verdict)
	}
	_, err := io.WriteString(k.w, b.String())
	return err
}
