// SPDX-License-Identifier: GPL-2.0-only

package rpmbuild

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Progress is how far a build is.
type Progress struct {
	Phase    string // rpmbuild's phase: "%prep", "%build", "%install", "packages"
	Doing    string // the file that make named last
	Compiled int    // files compiled so far
	Expected int    // about how many there will be, 0 where nobody knows
	Warnings int
	Elapsed  time.Duration
}

// Left estimates the time to the end of the compilation; 0 where there is no telling.
func (p Progress) Left() time.Duration {
	if p.Compiled < 20 || p.Expected <= p.Compiled {
		return 0
	}
	return p.Elapsed / time.Duration(p.Compiled) * time.Duration(p.Expected-p.Compiled)
}

var (
	phaseLine   = regexp.MustCompile(`^Executing\((%\w+)\)`)
	compileLine = regexp.MustCompile(`^ {2}(?:CC|AS|HOSTCC|CC \[M\]|AS \[M\]) +(\S.*)$`)
	linkLine    = regexp.MustCompile(`^ {2}(LD|MODPOST|KSYMS|OBJCOPY|BUILD|INSTALL|SORTTAB|KSYM|LD \[M\]) +(\S.*)$`)
	// The first file that any kernel compiles once it is configured.
	configuredLine = regexp.MustCompile(`^ {2}CC +arch/\w+/kernel/asm-offsets\.s$`)
	wroteLine      = regexp.MustCompile(`^Wrote: (.*\.rpm)$`)
	warningLine    = regexp.MustCompile(`^\S+:\d+(:\d+)?: warning: `)
	// Old kernels' builds warn with errors' words, as depmod of files that are not there.
	anyWarning = regexp.MustCompile(`(?i)\bwarning: `)
	// The first line that matches says why a build failed, in the order of the words'
	// weight: what comes after it is mostly make unwinding.
	errorLine = regexp.MustCompile(`(?i)(\berror: |: error\b|fatal error|undefined reference|multiple definition|\*\*\* |Hunk #\d+ FAILED|can't find file to patch|Unexpected EOF|unexpected end of input|not in gzip format|No such file or directory|command not found|cannot execute|bad interpreter|No space left on device|Bad source|^ERROR:)`)
	// badExit is where rpmbuild begins to tell what make or the shell told before.
	badExit = regexp.MustCompile(`^error: Bad exit status from `)
	// rpmbuild lists what is missing of BuildRequires, one in a line.
	neededLine = regexp.MustCompile(`^\s+(\S.*) is needed by \S+$`)
	diskFull   = "No space left on device"
)

// keepLines is how many lines from the first error on are kept to explain a failure.
const keepLines = 12

// watch reads rpmbuild's output line by line.
type watch struct {
	progress Progress
	start    time.Time
	began    time.Time // of compiling: unpacking tells nothing about its speed
	packages []string
	source   string
	errors   []string
	last     []string // the lines before the end, for a failure without an error line
	missing  []string // BuildRequires that the host lacks
	ended    bool     // rpmbuild has given up
	full     bool
	// configured is called when a kernel is configured, with the files compiled until
	// then; what will be compiled may be put into expected at any time after that.
	configured func(compiled int)
	expected   atomic.Int64
}

func newWatch(start time.Time) *watch {
	return &watch{start: start, progress: Progress{Phase: "start"}, configured: func(int) {}}
}

// line takes one line of output and reports whether the progress moved.
func (w *watch) line(s string) bool {
	if strings.Contains(s, diskFull) {
		w.full = true
	}
	if m := neededLine.FindStringSubmatch(s); m != nil && w.progress.Phase == "start" {
		w.missing = append(w.missing, m[1])
	}
	// What the scripts themselves echo (set -x) is no error of theirs.
	echo := strings.HasPrefix(s, "+")
	if badExit.MatchString(s) {
		w.ended = true
	}
	if !w.ended && len(w.errors) > 0 && len(w.errors) < keepLines || len(w.errors) == 0 && !echo && !w.ended && errorLine.MatchString(s) && !anyWarning.MatchString(s) {
		w.errors = append(w.errors, s)
	}
	if !w.ended && !echo {
		if w.last = append(w.last, s); len(w.last) > keepLines {
			w.last = w.last[1:]
		}
	}
	if m := phaseLine.FindStringSubmatch(s); m != nil {
		w.progress.Phase, w.progress.Doing = m[1], ""
		w.errors = nil // an earlier phase ended well, whatever it printed
		return w.tick()
	}
	if m := compileLine.FindStringSubmatch(s); m != nil {
		if w.progress.Compiled == 0 {
			w.began = time.Now()
		}
		w.progress.Compiled++
		w.progress.Doing = short(m[1])
		if configuredLine.MatchString(s) {
			w.configured(w.progress.Compiled)
		}
		return w.tick()
	}
	if m := linkLine.FindStringSubmatch(s); m != nil {
		w.progress.Doing = short(m[2])
		return w.tick()
	}
	if m := wroteLine.FindStringSubmatch(s); m != nil {
		if strings.HasSuffix(m[1], ".src.rpm") || strings.HasSuffix(m[1], ".nosrc.rpm") {
			w.source = m[1]
		} else {
			w.packages = append(w.packages, m[1])
		}
		w.progress.Phase, w.progress.Doing = "packages", m[1][strings.LastIndexByte(m[1], '/')+1:]
		return w.tick()
	}
	if warningLine.MatchString(s) {
		w.progress.Warnings++
		return w.tick()
	}
	return false
}

// short leaves out where the tools of a kernel that has its objects elsewhere are compiled.
func short(file string) string {
	if filepath.IsAbs(file) {
		return filepath.Base(file)
	}
	return file
}

func (w *watch) tick() bool {
	since := w.start
	if !w.began.IsZero() {
		since = w.began
	}
	w.progress.Elapsed = time.Since(since)
	w.progress.Expected = int(w.expected.Load())
	return true
}

// lastLines is how many lines before the end are shown where the first error is not
// near it: a command may have complained and not failed.
const lastLines = 3

// reason gives the lines that explain a failure.
func (w *watch) reason() []string {
	n := len(w.last)
	switch {
	case len(w.errors) == 0:
		return w.last
	case n == 0 || slices.Contains(w.errors, w.last[n-1]):
		return w.errors
	}
	return slices.Concat(w.errors, []string{"..."}, w.last[max(0, n-lastLines):])
}
