// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"io"
	"time"

	"ovzpatch/internal/terminal"
)

// WriteEntries writes entries for people, a line each.
func WriteEntries(w io.Writer, list []Entry) error {
	t := terminal.NewTable(w)
	t.Row("KIND", "SIZE", "USED", "NAME")
	for _, e := range list {
		t.Row(e.Kind, Size(e.Size), e.Used.UTC().Format(time.RFC3339), e.Name)
	}
	return t.Flush()
}

// WriteKinds writes for people how much there is of each kind.
func WriteKinds(w io.Writer, kinds []Kind) error {
	t := terminal.NewTable(w)
	t.Row("KIND", "ENTRIES", "SIZE")
	for _, k := range kinds {
		t.Row(k.Kind, k.Entries, Size(k.Size))
	}
	return t.Flush()
}

// Text says for people what was removed, and what is left.
func (p Pruned) Text(w io.Writer) error {
	var freed int64
	for _, e := range p.Removed {
		freed += e.Size
	}
	_, err := fmt.Fprintf(w, "removed %d results, %s; %s are left\n", len(p.Removed), Size(freed), Size(p.Left))
	if err == nil && len(p.Kept) > 0 {
		_, err = fmt.Fprintf(w, "%d more are in use and stay\n", len(p.Kept))
	}
	return err
}
