// SPDX-License-Identifier: Apache-2.0

package rpmbuild

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Progress is how far a build is.
type Progress struct {
	Phase    string // rpmbuild's phase: "start", "%prep", "%build", "%install", "packages"
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
	wroteLine   = regexp.MustCompile(`^Wrote: (.*\.rpm)$`)
	warningLine = regexp.MustCompile(`^\S+:\d+(:\d+)?: warning: `)
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

// emptyPhase is where rpm since 4.20 makes the directory of the build.
const emptyPhase = "%mkbuilddir"

// buildPhase is the phase in which compiled is.
const buildPhase = "%build"

// reading is the phase before the first script: rpmbuild reads the spec.
const reading = "start"

// keepLines is how many lines from the first error on are kept to explain a failure.
const keepLines = 12

// lookTime is how often the objects are looked at that make may say nothing about.
const lookTime = 5 * time.Second

// watch reads rpmbuild's output line by line.
type watch struct {
	report func(Progress)

	mu       sync.Mutex
	progress Progress
	lines    int // files that make said it compiles
	start    time.Time
	began    time.Time // of compiling: unpacking tells nothing about its speed
	packages []string
	source   string
	errors   []string
	last     []string // the lines before the end, for a failure without an error line
	missing  []string // BuildRequires that the host lacks
	ended    bool     // rpmbuild has given up
	full     bool
	// count looks at the objects; nil where there is nothing to look at.
	count func() (made, of int)
	whole bool // all of the objects are compiled
}

func newWatch(start time.Time, report func(Progress)) *watch {
	return &watch{start: start, report: report, progress: Progress{Phase: reading}}
}

// line takes one line of output.
func (w *watch) line(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.read(s) {
		w.tell()
	}
}

// follow looks at the objects now and then while they are compiled, until it is ended.
func (w *watch) follow(ctx context.Context, o *objects, whole bool) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	w.whole, w.count = whole, func() (made, of int) { return o.look(ctx) }
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(lookTime):
			}
			w.mu.Lock()
			compiling := w.progress.Phase == buildPhase
			w.mu.Unlock()
			if !compiling {
				continue
			}
			made, of := w.count()
			w.mu.Lock()
			if w.counted(made, of) {
				w.tell()
			}
			w.mu.Unlock()
		}
	}()
	return func() { cancel(); <-done }
}

// counted takes what came of looking at the objects, and reports whether the progress
// moved. Make compiles more than those, for its own use, and may say so or not.
func (w *watch) counted(made, of int) bool {
	before := w.progress
	if made > 0 && w.began.IsZero() {
		w.began = time.Now()
	}
	w.progress.Compiled = max(w.lines, made)
	if w.whole && of > 0 {
		w.progress.Expected = of + max(0, w.lines-made)
	}
	return w.progress != before
}

// read takes in what a line tells, and reports whether the progress moved.
func (w *watch) read(s string) bool {
	if strings.Contains(s, diskFull) {
		w.full = true
	}
	if m := neededLine.FindStringSubmatch(s); m != nil && w.progress.Phase == reading {
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
	if m := phaseLine.FindStringSubmatch(s); m != nil && m[1] != emptyPhase {
		if w.progress.Phase == buildPhase && w.count != nil {
			w.counted(w.count())
			w.progress.Expected = 0 // there are no more
		}
		w.progress.Phase, w.progress.Doing = m[1], ""
		w.errors = nil // an earlier phase ended well, whatever it printed
		return true
	}
	if m := compileLine.FindStringSubmatch(s); m != nil {
		if w.began.IsZero() {
			w.began = time.Now()
		}
		w.lines++
		w.progress.Compiled = max(w.progress.Compiled, w.lines)
		w.progress.Doing = short(m[1])
		return true
	}
	if m := linkLine.FindStringSubmatch(s); m != nil {
		w.progress.Doing = short(m[2])
		return true
	}
	if m := wroteLine.FindStringSubmatch(s); m != nil {
		if strings.HasSuffix(m[1], ".src.rpm") || strings.HasSuffix(m[1], ".nosrc.rpm") {
			w.source = m[1]
		} else {
			w.packages = append(w.packages, m[1])
		}
		w.progress.Phase, w.progress.Doing = "packages", m[1][strings.LastIndexByte(m[1], '/')+1:]
		return true
	}
	if warningLine.MatchString(s) {
		w.progress.Warnings++
		return true
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

func (w *watch) tell() {
	since := w.start
	if !w.began.IsZero() {
		since = w.began
	}
	w.progress.Elapsed = time.Since(since)
	w.report(w.progress)
}

// lastLines is how many lines before the end are shown where the first error is not
// near it: a command may have complained and not failed.
const lastLines = 3

// reason returns the lines that explain a failure.
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
