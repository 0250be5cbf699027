// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// edit is a line of an edit script.
type edit struct {
	op   byte // ' ', '-', '+'
	line string
}

// newTrial makes up a file, a change of it, a patch of that, and a file like the first
// in which the patch must find its way.
func newTrial(r *rand.Rand) trial {
	words := []int{3, 8, 1 << 30}[r.IntN(3)]
	line := func() string { return fmt.Sprintf("\tx%d = y;\n", r.IntN(words)) }
	base := make([]string, r.IntN(50))
	for i := range base {
		base[i] = line()
		if r.IntN(8) == 0 {
			base[i] = []string{"\n", "}\n", "{\n", "out:\n", fmt.Sprintf("int f%d(int a)\n", r.IntN(5))}[r.IntN(5)]
		}
	}
	if n := len(base); n > 0 && base[n-1] != "\n" && r.IntN(6) == 0 {
		base[n-1] = strings.TrimSuffix(base[n-1], "\n")
	}
	script := change(r, base, line)
	tr := trial{files: map[string]string{}, fuzz: []int{0, 0, 0, 1, 2, 3}[r.IntN(6)], reverse: r.IntN(5) == 0}
	context := []int{3, 3, 3, 3, 0, 1, 2, 5}[r.IntN(8)]
	tr.patch = header(r, script) + strings.Join(oddHunks(r, script, context), "")
	from := side(script, '+')
	if tr.reverse {
		from = side(script, '-')
	}
	if len(from) > 0 || r.IntN(2) == 0 {
		tr.files["d/f.c"] = strings.Join(disturbed(r, from, line), "")
	}
	if len(from) == 0 && r.IntN(2) == 0 {
		delete(tr.files, "d/f.c")
	}
	tr.files["d/keep"] = "so that the directory stays\n"
	return tr
}

// side is the script without the lines of one operation.
func side(script []edit, without byte) []string {
	var lines []string
	for _, e := range script {
		if e.op != without {
			lines = append(lines, e.line)
		}
	}
	return lines
}

// change makes a random edit script over base.
func change(r *rand.Rand, base []string, line func() string) []edit {
	var script []edit
	noEOL := len(base) > 0 && !strings.HasSuffix(base[len(base)-1], "\n")
	rate := 4 + r.IntN(20)
	for i := 0; i < len(base); {
		if r.IntN(rate) != 0 {
			script = append(script, edit{' ', base[i]})
			i++
			continue
		}
		kind := r.IntN(3)
		if kind != 0 {
			for n := 1 + r.IntN(3); n > 0 && i < len(base); n-- {
				script = append(script, edit{'-', base[i]})
				i++
			}
		}
		if kind != 1 {
			for n := 1 + r.IntN(3); n > 0; n-- {
				script = append(script, edit{'+', line()})
			}
		}
	}
	if len(base) == 0 || !noEOL && r.IntN(4) == 0 || !slices.ContainsFunc(script, func(e edit) bool { return e.op != ' ' }) {
		if noEOL {
			last := base[len(base)-1]
			script[len(script)-1] = edit{'-', last}
			script = append(script, edit{'+', last + "\n"})
		}
		for n := 1 + r.IntN(3); n > 0; n-- {
			script = append(script, edit{'+', line()})
		}
	}
	// Only a last line can be without a newline, on either side.
	for i := range script {
		lastOld, lastNew := true, true
		for _, e := range script[i+1:] {
			lastOld = lastOld && e.op == '+'
			lastNew = lastNew && e.op == '-'
		}
		cut := strings.TrimSuffix(script[i].line, "\n")
		switch op := script[i].op; {
		case op == '+' && lastNew && cut != "" && r.IntN(8) == 0:
			script[i].line = cut
		case op == ' ' && cut == script[i].line && !lastNew:
			// Something follows in the new file: the newline comes with it.
			script[i].line = cut + "\n"
		}
	}
	return script
}

// header is one of the forms in which a file header comes.
func header(r *rand.Rand, script []edit) string {
	old, new := "a/d/f.c", "b/d/f.c"
	git := fmt.Sprintf("diff --git %s %s\n", old, new)
	if len(side(script, '+')) == 0 {
		old = "/dev/null"
		git += "new file mode 100644\n"
	} else if len(side(script, '-')) == 0 {
		new = "/dev/null"
		git += "deleted file mode 100644\n"
	}
	names := fmt.Sprintf("--- %s\n+++ %s\n", old, new)
	switch r.IntN(4) {
	case 0:
		return git + "index 0123456..789abcd\n" + names
	case 1:
		return "A word before.\n\n" + names
	case 2:
		return "Index: d/f.c\n===================================================================\n" + names
	}
	return names
}

// oddHunks writes a script as unified hunks. Now and then a hunk is cut where its context
// overlaps the next one's, has a wrong line number, or the hunks change places.
func oddHunks(r *rand.Rand, script []edit, context int) []string {
	how := style{separate: r.IntN(4) == 0}
	// A new or deleted file has no line numbers to get wrong.
	if r.IntN(6) == 0 && len(side(script, '+')) > 0 && len(side(script, '-')) > 0 {
		how.skew = func() int { return r.IntN(7) - 3 }
	}
	if r.IntN(4) == 0 {
		how.function = func() string { return fmt.Sprintf(" int f%d(int a)", r.IntN(5)) }
	}
	hunks := unified(script, context, how)
	if r.IntN(20) == 0 {
		r.Shuffle(len(hunks), func(i, j int) { hunks[i], hunks[j] = hunks[j], hunks[i] })
	}
	return hunks
}

// style is in what a hunk differs from the usual.
type style struct {
	separate bool          // no two changes share a hunk
	skew     func() int    // how far its line numbers are off
	function func() string // what its header names
}

// unified writes a script as unified hunks.
func unified(script []edit, context int, how style) []string {
	var hunks []string
	oldLine, newLine := 1, 1
	for i := 0; i < len(script); {
		if script[i].op == ' ' {
			i, oldLine, newLine = i+1, oldLine+1, newLine+1
			continue
		}
		start := i
		for start > 0 && i-start < context && script[start-1].op == ' ' {
			start--
		}
		first := i
		end := i
		for end < len(script) {
			if script[end].op != ' ' {
				end++
				continue
			}
			gap := end
			for gap < len(script) && script[gap].op == ' ' {
				gap++
			}
			if gap == len(script) || how.separate || gap-end > 2*context {
				break
			}
			end = gap
		}
		stop := min(end+context, len(script))
		for n := end; n < stop; n++ {
			if script[n].op != ' ' {
				stop = n
			}
		}
		body, olds, news := "", 0, 0
		for _, e := range script[start:stop] {
			body += string(e.op) + e.line
			if !strings.HasSuffix(e.line, "\n") {
				body += "\n\\ No newline at end of file\n"
			}
			if e.op != '+' {
				olds++
			}
			if e.op != '-' {
				news++
			}
		}
		oldAt, newAt := oldLine-(first-start), newLine-(first-start)
		if olds == 0 {
			oldAt--
		}
		if news == 0 {
			newAt--
		}
		if how.skew != nil {
			oldAt, newAt = max(oldAt+how.skew(), 1), max(newAt+how.skew(), 1)
		}
		function := ""
		if how.function != nil {
			function = how.function()
		}
		hunks = append(hunks, fmt.Sprintf("@@ -%s +%s @@%s\n", span(oldAt, olds), span(newAt, news), function)+body)
		for ; i < end; i++ {
			if script[i].op != '+' {
				oldLine++
			}
			if script[i].op != '-' {
				newLine++
			}
		}
	}
	return hunks
}

func span(at, n int) string {
	if n == 1 {
		return strconv.Itoa(at)
	}
	return fmt.Sprintf("%d,%d", at, n)
}

// disturbed is the file as it is elsewhere: lines came and went, some changed, a block is
// there twice.
func disturbed(r *rand.Rand, lines []string, line func() string) []string {
	lines = slices.Clone(lines)
	for range r.IntN(4) {
		at := r.IntN(len(lines) + 1)
		switch r.IntN(5) {
		case 0:
			for n := 1 + r.IntN(9); n > 0; n-- {
				lines = slices.Insert(lines, at, line())
			}
		case 1:
			lines = slices.Delete(lines, at, min(at+1+r.IntN(3), len(lines)))
		case 2:
			if at < len(lines) {
				lines[at] = line()
			}
		case 3:
			block := slices.Clone(lines[at:min(at+12, len(lines))])
			lines = slices.Insert(lines, r.IntN(len(lines)+1), block...)
		case 4:
			lines = slices.Insert(lines, 0, line(), line())
		}
	}
	// A line without a newline is only at the end.
	for i := range max(len(lines)-1, 0) {
		if !strings.HasSuffix(lines[i], "\n") {
			lines[i] += "\n"
		}
	}
	return lines
}
