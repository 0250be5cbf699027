// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// dateTail matches a time that old diffs separate from the name only by blanks.
var dateTail = regexp.MustCompile(`\s+(\d{4}-\d\d-\d\d |(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ).*$`)

// headerName reads the name, and whether the time after it is the epoch, from what follows "--- "
// or "+++ ".
func headerName(s string) (name string, epoch bool, err error) {
	s = strings.TrimRight(s, "\r\n")
	if strings.HasPrefix(s, `"`) {
		name, _, err := quotedName(s)
		return name, false, err
	}
	name, when, _ := strings.Cut(s, "\t")
	if loc := dateTail.FindStringIndex(name); loc != nil && when == "" {
		name, when = name[:loc[0]], strings.TrimSpace(name[loc[0]:])
	}
	name = strings.TrimRight(name, " ")
	if name == "" {
		return "", false, errors.New("it is empty")
	}
	return name, isEpoch(when), nil
}

// dateLayouts are the formats in which the diffs of many systems write a file's time. Each may
// have fractions of a second.
var dateLayouts = []string{
	"2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05 MST",
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04 -0700", "2006-01-02 15:04", "2006-01-02",
	"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 MST 2006", "Mon Jan 2 15:04:05 2006 -0700", "Mon Jan 2 15:04:05 -0700 2006",
	"Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 MST",
}

// epochSlack is how far from the epoch GNU patch lets a time be: a local time without its zone
// may be that far off.
const epochSlack = 25 * time.Hour

// isEpoch reports whether a diff's time may be 1970-01-01 00:00:00 UTC, which diff -N writes for
// a missing file.
func isEpoch(when string) bool {
	when = strings.ReplaceAll(strings.Join(strings.Fields(when), " "), "/", "-")
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, when); err == nil {
			return t.Sub(time.Unix(0, 0)).Abs() < epochSlack
		}
	}
	return false
}

// quotedName reads a name in double quotes, which git and GNU diff write around unusual bytes,
// and returns what follows it.
func quotedName(s string) (name, rest string, err error) {
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", "", fmt.Errorf("unquote %s: %w", s, err)
	}
	name, err = strconv.Unquote(quoted)
	if err != nil || name == "" {
		return "", "", fmt.Errorf("unquote %s: no name", s)
	}
	return name, s[len(quoted):], nil
}

// nameFromGit completes the names of a git section: /dev/null for a missing file, and the first
// line's names if there is no --- and +++ (a rename, a new mode, an empty file). from and to are
// the names of a rename or copy, which have no prefix.
func (sec *section) nameFromGit(first, from, to string) error {
	var err error
	for _, p := range []*string{&from, &to} {
		if strings.HasPrefix(*p, `"`) {
			if *p, _, err = quotedName(*p); err != nil {
				return err
			}
		}
	}
	if sec.oldName == "" {
		names := strings.TrimRight(strings.TrimPrefix(first, "diff --git "), "\r\n")
		if sec.oldName, sec.newName, err = gitNames(names, from, to); err != nil {
			return err
		}
	}
	sec.isNew = sec.isNew || sec.oldName == devNull
	sec.isDelete = sec.isDelete || sec.newName == devNull
	if sec.isNew {
		sec.oldName = devNull
	}
	if sec.isDelete {
		sec.newName = devNull
	}
	if sec.oldName == devNull && sec.newName == devNull {
		return errors.New("both names are /dev/null")
	}
	return nil
}

// gitNames splits "a/x b/x". Names may hold blanks, so the right split is the one whose halves
// end in from and to, or are equal after their first component.
func gitNames(s, from, to string) (old, new string, err error) {
	if strings.HasPrefix(s, `"`) {
		old, s, err = quotedName(s)
		if err != nil {
			return "", "", err
		}
		s = strings.TrimLeft(s, " ")
		if strings.HasPrefix(s, `"`) {
			new, _, err = quotedName(s)
			return old, new, err
		}
		return old, s, nil
	}
	if i := strings.Index(s, ` "`); i > 0 {
		new, _, err = quotedName(s[i+1:])
		return s[:i], new, err
	}
	for i := 1; i < len(s)-1; i++ {
		if s[i] != ' ' {
			continue
		}
		old, new := s[:i], s[i+1:]
		if from != "" && strings.HasSuffix(old, from) && strings.HasSuffix(new, to) {
			return old, new, nil
		}
		if from == "" && (old == new || stripped(old, 1) != "" && stripped(old, 1) == stripped(new, 1)) {
			return old, new, nil
		}
	}
	return "", "", fmt.Errorf("the names in %q cannot be told apart", "diff --git "+s)
}
