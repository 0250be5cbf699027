// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/job"
	"ovzpatch/internal/report"
)

// Work is the directory with the results:
//
//	results/KEY.json      the result of a cell; if it is there, the cell is done
//	attempts/KEY/NAME/    the log and the consoles of one try
//	digests.json          digests of sources, so that they are read once
//	lock                  held by the call that works here
type Work struct{ Dir string }

// Result is the result of a cell.
type Result struct {
	Cell     string    `json:"cell"`
	Key      string    `json:"key"`
	ExitCode int       `json:"exit_code"` // of ovzpatch
	Seconds  float64   `json:"seconds"`
	Finished time.Time `json:"finished"`
	Host     string    `json:"host"`
	Attempt  string    `json:"attempt"` // the name of the try
	Log      string    `json:"log"`     // below the directory
	// Report is the command's; if there is none, its Failure says why.
	Report *report.Report `json:"report"`
}

// done reports whether the result is final. A cell that failed around its kernel is tried again by the next call.
func (r *Result) done() bool { return r.ExitCode != job.CodeFailed }

func (w *Work) results() string              { return filepath.Join(w.Dir, "results") }
func (w *Work) resultPath(key string) string { return filepath.Join(w.results(), key+".json") }
func (w *Work) attempts(key string) string   { return filepath.Join(w.Dir, "attempts", key) }

// attempt returns the directory of one try.
func (w *Work) attempt(c *Cell, a Attempt) string { return filepath.Join(w.attempts(c.Key), a.Name) }

// Ready makes the directory and locks it, because two calls would do the same cells. unlock removes it if
// nothing was done in it.
func (w *Work) Ready() (unlock func(), err error) {
	_, there := os.Stat(w.Dir)
	if err := w.make(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(w.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, job.BadRequest(fmt.Errorf("lock %s: %w", w.Dir, err))
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another ovzpatch matrix works in %s: wait for it, or name another directory with --output", w.Dir)
		}
		return nil, fmt.Errorf("lock %s: %w", w.Dir, err)
	}
	// Another call may just have removed the empty directory.
	if err := w.make(); err != nil {
		f.Close()
		return nil, err
	}
	return func() {
		if errors.Is(there, fs.ErrNotExist) {
			w.removeEmpty()
		}
		f.Close()
	}, nil
}

func (w *Work) make() error {
	for _, dir := range []string{w.results(), filepath.Join(w.Dir, "attempts")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return job.BadRequest(fmt.Errorf("make directory for results: %w", err))
		}
	}
	return nil
}

// removeEmpty removes the directory if there is neither a result nor a try in it.
func (w *Work) removeEmpty() {
	if os.Remove(filepath.Join(w.Dir, "attempts")) == nil && os.Remove(w.results()) == nil {
		os.Remove(filepath.Join(w.Dir, "digests.json"))
		os.Remove(filepath.Join(w.Dir, "lock"))
		os.Remove(w.Dir)
	}
}

// Result returns the result of a cell, nil if there is none.
func (w *Work) Result(key string) (*Result, error) {
	data, err := os.ReadFile(w.resultPath(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	var r Result
	err = json.Unmarshal(data, &r)
	if err == nil && (r.Key != key || r.Report == nil) {
		err = errors.New("it is not the result of this cell")
	}
	if err != nil {
		return nil, fmt.Errorf("read result %s: ovzpatch did not write it (%w); remove it, and the next call does the cell again", w.resultPath(key), err)
	}
	return &r, nil
}

// all returns all results that can be read.
func (w *Work) all() []*Result {
	files, err := filepath.Glob(filepath.Join(w.results(), "*.json"))
	if err != nil {
		return nil
	}
	var list []*Result
	for _, f := range files {
		if r, err := w.Result(strings.TrimSuffix(filepath.Base(f), ".json")); err == nil && r != nil {
			list = append(list, r)
		}
	}
	return list
}

// errLate says that another try of the same cell ended earlier.
var errLate = errors.New("another try of this cell was first")

// put writes a result. Only the first one of a cell counts.
func (w *Work) put(r *Result, dir string) error {
	tmp := filepath.Join(dir, "result.json")
	err := atomicfile.Write(tmp, func(out io.Writer) error {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	})
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	// A link appears whole or not at all, and never replaces a file.
	if err := os.Link(tmp, w.resultPath(r.Key)); errors.Is(err, fs.ErrExist) {
		return errLate
	} else if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return atomicfile.Sync(w.results())
}

// late returns the tries of a cell that ended after the first.
func (w *Work) late(r *Result) []*Result {
	files, err := filepath.Glob(filepath.Join(w.attempts(r.Key), "*", "result.json"))
	if err != nil {
		return nil
	}
	var list []*Result
	for _, f := range files {
		var other Result
		data, err := os.ReadFile(f)
		if err == nil && json.Unmarshal(data, &other) == nil && other.Attempt != r.Attempt {
			list = append(list, &other)
		}
	}
	return list
}

// sweep removes unfinished tries, and results of cells that are to be tried again.
func (w *Work) sweep(c *Cell) error {
	r, err := w.Result(c.Key)
	if err != nil || r != nil && r.done() {
		return err
	}
	err = os.Remove(w.resultPath(c.Key))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(w.attempts(c.Key)))
}
