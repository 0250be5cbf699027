// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"regexp"
	"strings"
	"time"
)

var changelogEntry = regexp.MustCompile(`^\*\s+\w{3}\s+(\w{3}\s+\d{1,2}\s+\d{4})\b`)

// addChangelog adds an entry above all others. rpm wants them newest first, so the
// entry is never dated before the one that was the newest.
func (s *Spec) addChangelog(in Injection) {
	at := -1
	date := in.Date.UTC()
	for i, l := range s.lines {
		if l.section != "changelog" {
			continue
		}
		if at < 0 {
			at = i + 1
		}
		if m := changelogEntry.FindStringSubmatch(l.text); m != nil {
			t, err := time.Parse("Jan 2 2006", strings.Join(strings.Fields(m[1]), " "))
			if err == nil && t.After(date) {
				date = t
			}
			break
		}
	}
	entry := []string{"* " + date.Format("Mon Jan 02 2006") + " " + strings.ReplaceAll(in.Author, "%", "%%")}
	for _, c := range in.Changes {
		entry = append(entry, "- "+strings.ReplaceAll(c, "%", "%%"))
	}
	if at < 0 {
		s.insert(len(s.lines), append([]string{"", "%changelog"}, entry...)...)
		return
	}
	if at < len(s.lines) && strings.TrimSpace(s.lines[at].text) != "" {
		entry = append(entry, "")
	}
	s.insert(at, entry...)
}
