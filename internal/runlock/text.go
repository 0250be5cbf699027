// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"io"

	"ovzpatch/internal/terminal"
)

// WriteLocks writes locks for people, a line for each holder.
func WriteLocks(w io.Writer, locks []Lock) error {
	t := terminal.NewTable(w)
	for _, l := range locks {
		for _, h := range l.Holders {
			how := "exclusive"
			if h.Shared {
				how = "shared"
			}
			t.Row(l.Locked, how, h)
		}
	}
	return t.Flush()
}
