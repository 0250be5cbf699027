// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/terminal"
)

// Table returns what each case showed on each kernel, in a few words; its first row is the head.
func (r *Report) Table() [][]string {
	rows := [][]string{{"CASE", "IN"}}
	for _, k := range r.Kernels {
		rows[0] = append(rows[0], strings.ToUpper(k.Label))
	}
	results := make([]map[caseID]*guest.Result, len(r.Kernels))
	for i, k := range r.Kernels {
		results[i] = k.byCase()
	}
	for _, id := range r.cases() {
		row := []string{id.name, id.backend}
		for i := range r.Kernels {
			row = append(row, cell(results[i][id]))
		}
		rows = append(rows, row)
	}
	return rows
}

// caseID names a row of the table.
type caseID struct{ name, backend string }

// cases returns all rows, container by container. In each, they have the order in which the cases
// were first tried on any kernel, because the order in one container depends on the kernel.
func (r *Report) cases() []caseID {
	var ids []caseID
	seen, backends, names := map[caseID]bool{}, map[string]int{}, map[string]int{}
	place := func(of map[string]int, name string) {
		if _, ok := of[name]; !ok {
			of[name] = len(of)
		}
	}
	for _, k := range r.Kernels {
		for _, res := range k.Results {
			id := caseID{res.Name, res.Backend}
			if !seen[id] {
				ids = append(ids, id)
			}
			seen[id] = true
			place(backends, id.backend)
			place(names, id.name)
		}
	}
	slices.SortStableFunc(ids, func(a, b caseID) int {
		return cmp.Or(
			cmp.Compare(backends[a.backend], backends[b.backend]),
			cmp.Compare(names[a.name], names[b.name]))
	})
	return ids
}

// byCase returns the results by case; of those of one case the first.
func (k Kernel) byCase() map[caseID]*guest.Result {
	of := map[caseID]*guest.Result{}
	for i, r := range k.Results {
		if id := (caseID{r.Name, r.Backend}); of[id] == nil {
			of[id] = &k.Results[i]
		}
	}
	return of
}

// cell returns in a few words what a case showed; nil was not tried.
func cell(r *guest.Result) string {
	if r == nil {
		return "not tried"
	}
	s := Seen(r.Got)
	if r.Verdict == guest.Faulty || r.Verdict == guest.Inconclusive {
		s += " (" + strings.ToUpper(string(r.Verdict)) + ")"
	}
	if r.Finding != "" {
		s += " (" + r.Finding + ")"
	}
	return s
}

// Seen returns what a case showed, in a few words.
func Seen(g guest.Seen) string {
	words := []string{g.Errno}
	if g.Errno == "0" {
		words[0] = "ok"
	}
	switch {
	case g.Forced == 1:
		words = append(words, "umount_begin")
	case g.Forced > 1:
		words = append(words, fmt.Sprintf("%d umount_begin", g.Forced))
	}
	switch {
	case g.Messages == 1:
		words = append(words, "message")
	case g.Messages > 1:
		words = append(words, fmt.Sprintf("%d messages", g.Messages))
	}
	if g.Own > 0 {
		words = append(words, "also in the container's log")
	}
	for _, reader := range []struct{ who, errno string }{{"host", g.Host}, {"peer", g.Peer}, {"held file", g.Held}} {
		if reader.errno != "" && reader.errno != "0" {
			words = append(words, reader.who+" "+reader.errno)
		}
	}
	return strings.Join(words, ", ")
}

// table aligns rows in columns; the first row is the head.
func table(b *strings.Builder, rows [][]string) {
	t := terminal.NewTable(b)
	for _, row := range rows {
		cells := make([]any, len(row))
		for i, cell := range row {
			cells[i] = cell
		}
		t.Row(cells...)
	}
	t.Flush() // a strings.Builder accepts everything
}
