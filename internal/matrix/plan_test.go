// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"strings"
	"testing"
)

func TestWritePlan(t *testing.T) {
	cell := func(name string) *Cell { return &Cell{Name: name} }
	for want, list := range map[string][]Planned{
		"0 of 1 cells to do":                                                {{Cell: cell("a"), Done: true}},
		"1 of 2 cells to do; one after the other 1m30s":                     {{Cell: cell("a"), Done: true}, {Cell: cell("b"), Seconds: 90, From: "this cell"}},
		"2 of 2 cells to do; one after the other 2s; nothing is known of 1": {{Cell: cell("a"), Seconds: 2, From: "one other"}, {Cell: cell("b")}},
	} {
		var out strings.Builder
		if err := WritePlan(&out, list); err != nil || !strings.HasSuffix(out.String(), "\n\n"+want+"\n") {
			t.Errorf("%v, want %q in\n%s", err, want, out.String())
		}
	}
}
