// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
)

// allFlags are commands that have every flag and refuse nothing.
type allFlags struct{}

func (allFlags) Has(command, flag string) bool { return flag != "cases" || command != "check" }
func (allFlags) Check(string, []string) error  { return nil }

func options(program string) Options {
	return Options{Commands: allFlags{}, Program: program, Report: job.Quiet{}, OpenStore: func(string) (*datastore.Store, error) { return nil, errors.New("none") }}
}

// write writes files into a new directory, and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t *testing.T, dir string) *Matrix {
	t.Helper()
	m, err := Open(t.Context(), filepath.Join(dir, "m.toml"), options(filepath.Join(dir, "program")))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const twoSources = `
exclude = ["b/i686/*"]
[options]
cases = "force"
jobs = 3
[axes]
targets = ["x86_64", "i686"]
[source.b]
path = "b.tar"
variants = ["check", "with"]
flavours = ["", "PAE"]
options = { jobs = 1, patch = "b.patch" }
[source.a]
path = "a.tar"
[expect]
"a/*/without" = "faulty"
`

func TestCells(t *testing.T) {
	dir := write(t, map[string]string{"m.toml": twoSources, "a.tar": "a", "b.tar": "b", "b.patch": "p", "program": "1"})
	m := open(t, dir)
	var got []string
	for _, c := range m.Cells {
		got = append(got, c.Name+" "+strings.ReplaceAll(strings.Join(c.Args, " "), dir+"/", "")+" "+c.Expect)
	}
	// In the order of the file; a check knows no cases, and is not of a flavour.
	want := []string{
		"b/x86_64/check check --target=x86_64 --jobs=1 --patch=b.patch -- b.tar ",
		"b/x86_64/with run --only=with --target=x86_64 --cases=force --jobs=1 --patch=b.patch -- b.tar ",
		"b/x86_64/PAE/with run --only=with --target=x86_64 --flavour=PAE --cases=force --jobs=1 --patch=b.patch -- b.tar ",
		"a/x86_64/with run --only=with --target=x86_64 --cases=force --jobs=3 -- a.tar ",
		"a/x86_64/without run --only=without --target=x86_64 --cases=force --jobs=3 -- a.tar faulty",
		"a/i686/with run --only=with --target=i686 --cases=force --jobs=3 -- a.tar ",
		"a/i686/without run --only=without --target=i686 --cases=force --jobs=3 -- a.tar faulty",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the cells are\n%s\nand must be\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	plan, err := m.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(plan[1].Shares, []string{"b/x86_64/PAE/with"}) || !slices.Equal(plan[3].Shares, []string{"a/x86_64/without"}) || len(plan[0].Shares) != 0 {
		t.Errorf("they share %v, %v, %v", plan[0].Shares, plan[1].Shares, plan[3].Shares)
	}
}

// Reading a pipe for its digest would never end.
func TestPipesAreRefused(t *testing.T) {
	for _, text := range []string{
		"[source.a]\npath = \"pipe\"\n",
		"[source.a]\nglob = \"pip*\"\n",
		"[source.a]\npath = \"a.tar\"\noptions = { patch = \"pipe\" }\n",
	} {
		dir := write(t, map[string]string{"m.toml": text, "a.tar": "a", "program": "p"})
		if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), filepath.Join(dir, "m.toml"), options(filepath.Join(dir, "program")))
		if err == nil || !strings.Contains(err.Error(), "pipe: it is neither a file nor a directory") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// All parts together are the whole, and what works in one tree stays together.
func TestShards(t *testing.T) {
	dir := write(t, map[string]string{"m.toml": twoSources, "a.tar": "a", "b.tar": "b", "b.patch": "p", "program": "1"})
	part := map[string]int{}
	for k := 1; k <= 3; k++ {
		o := options(filepath.Join(dir, "program"))
		o.Shard = Shard{k, 3}
		m, err := Open(t.Context(), filepath.Join(dir, "m.toml"), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range m.Cells {
			if part[c.Name] != 0 {
				t.Errorf("%s is in two parts", c.Name)
			}
			part[c.Name] = k
		}
	}
	if len(part) != 7 || part["a/i686/with"] != part["a/i686/without"] {
		t.Errorf("the parts are %v", part)
	}
	for _, bad := range []string{"", "1", "0/2", "3/2", "-1/2", "1/2x", "1/2 3", "a/b"} {
		if s, err := ParseShard(bad); err == nil {
			t.Errorf("%q is %v", bad, s)
		}
	}
}

// Whatever goes in changes the key of what it goes into, and nothing else does.
// Another compiler makes another kernel; a check compiles nothing unless it is asked to.
// A file is read again only when it has changed.
// The first whole result of a cell stays; the other one is told.
// A result that cannot be read is neither taken for one nor for none.
// Where memory is short, cells wait for others to end; a cell that never has room is told before the first one.
func TestRoom(t *testing.T) {
	dir := write(t, map[string]string{"program": "#!/bin/sh\nsleep 0.2\n"})
	w := &Work{filepath.Join(dir, "work")}
	unlock, err := w.Ready()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	l := &Local{
		Attempt: Attempt{Program: filepath.Join(dir, "program"), CacheDir: dir, Name: "1", Temp: t.TempDir()}, Jobs: 3,
		Memory: func() (int64, error) { return 5 << 30, nil },
	}
	cells := []*Cell{{Name: "a", Key: "a"}, {Name: "b", Key: "b"}, {Name: "c", Key: "c"}}
	for _, c := range cells {
		c.Args, c.Limits = []string{"check"}, Limits{Time: time.Minute, Memory: 2 << 30}
	}
	ends, start := 0, time.Now()
	if err := l.Run(t.Context(), w, w.progress(cells, job.Quiet{}), func(_ *Cell, err error) error { ends++; return err }); err != nil || ends != 3 {
		t.Errorf("%d ended: %v", ends, err)
	}
	if took := time.Since(start); took < 400*time.Millisecond {
		t.Errorf("three cells of 2 GiB were done at a time with 5 GiB: %v", took)
	}
	cells[2].Limits.Memory = 6 << 30
	err = l.Run(t.Context(), w, w.progress(cells, job.Quiet{}), func(*Cell, error) error { t.Error("a cell was begun"); return nil })
	if !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), "cell c: no room: 5.0 GiB of memory are free") {
		t.Errorf("%v", err)
	}
	r, err := w.Result("a")
	if err != nil || r.ExitCode != job.CodeFailed || !strings.Contains(r.Report.Failure.Error, "left no report") {
		t.Errorf("a program without a report: %+v, %v", r, err)
	}
}

// A ctx that ends ends the cells, and nothing of them is left.
func TestStopped(t *testing.T) {
	dir := write(t, map[string]string{"program": "#!/bin/sh\nsleep 60\n"})
	w := &Work{filepath.Join(dir, "work")}
	unlock, err := w.Ready()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	temp, why := t.TempDir(), errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(300*time.Millisecond, func() { cancel(why) })
	err = w.Try(ctx, &Cell{Name: "a", Key: "a", Args: []string{"check"}, Limits: Limits{Time: time.Minute}}, Attempt{Program: filepath.Join(dir, "program"), Name: "1", Temp: temp})
	if !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	for _, left := range []string{w.resultPath("a"), w.attempts("a")} {
		if _, err := os.Stat(left); err == nil {
			t.Errorf("%s is left", left)
		}
	}
	if list, err := os.ReadDir(temp); err != nil || len(list) != 0 {
		t.Errorf("%v is left in the temporary directory (%v)", list, err)
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{"3GiB": 3 << 30, "512MiB": 512 << 20, "0MiB": 0} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s: %d, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "3", "3 GiB", "-1GiB", "3GB", "99999999999999999999GiB", "9999999999999GiB"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d", text, b)
		}
	}
}
