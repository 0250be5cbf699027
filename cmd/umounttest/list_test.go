// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// The page and the list say the same of each case, in the same order.
func TestPageOfCases(t *testing.T) {
	page, err := os.ReadFile("../../docs/cases.md")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := list(&b, true); err != nil {
		t.Fatal(err)
	}
	var cases []listed
	if err := json.Unmarshal(b.Bytes(), &cases); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	kind := ""
	for _, c := range cases {
		if c.Kind != kind {
			kind = c.Kind
			want = append(want, "## By "+kind)
		}
		want = append(want, fmt.Sprintf("| `%s` | %s | %s | %s |", c.Name, strings.ReplaceAll(c.Text, "|", "&#124;"), c.For, strings.Join(c.In, ", ")))
	}
	for l := range strings.Lines(string(page)) {
		l = strings.TrimSpace(l)
		if f := strings.SplitAfter(l, "|"); strings.HasPrefix(l, "| `") && len(f) == 8 {
			l = strings.Join(f[:5], "")
		} else if !strings.HasPrefix(l, "## By ") {
			continue
		}
		got = append(got, l)
	}
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			t.Errorf("docs/cases.md lacks %s", want[i])
		case i >= len(want):
			t.Errorf("docs/cases.md has more: %s", got[i])
		case got[i] != want[i]:
			t.Fatalf("docs/cases.md has\n%s\nwant\n%s", got[i], want[i])
		}
	}
}
