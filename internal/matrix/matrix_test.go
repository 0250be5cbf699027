// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/report"
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

// All parts together are the whole, and what works in one tree stays together.
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
func TestKeys(t *testing.T) {
	files := map[string]string{"m.toml": twoSources, "a.tar": "a", "b.tar": "b", "b.patch": "p", "program": "1"}
	keys := func(dir string) map[string]string {
		m := open(t, dir)
		if err := m.Digest(t.Context()); err != nil {
			t.Fatal(err)
		}
		of := map[string]string{}
		for _, c := range m.Cells {
			of[c.Name] = c.Key
		}
		return of
	}
	first := keys(write(t, files))
	for _, tt := range []struct {
		name, file, text string
		changed          []string // beginnings of names
	}{
		{"nothing", "other", "", nil},
		{"a source", "a.tar", "A", []string{"a/"}},
		{"a patch", "b.patch", "P", []string{"b/"}},
		{"the program", "program", "2", []string{"a/", "b/"}},
		{"an option", "m.toml", strings.Replace(twoSources, "force", "idle", 1), []string{"a/", "b/x86_64/with", "b/x86_64/PAE"}},
		{"how it is done", "m.toml", strings.Replace(twoSources, "jobs = 3", "jobs = 8", 1), nil},
		{"what is expected", "m.toml", strings.Replace(twoSources, "faulty", "inconclusive", 1), nil},
	} {
		changed := maps.Clone(files)
		changed[tt.file] = tt.text
		for name, key := range keys(write(t, changed)) {
			want := slices.ContainsFunc(tt.changed, func(s string) bool { return strings.HasPrefix(name, s) })
			if (key != first[name]) != want {
				t.Errorf("%s: the key of %s has changed: %t", tt.name, name, !want)
			}
		}
	}
}

// Another compiler makes another kernel; a check compiles nothing unless it is asked to.
func TestToolchainIsInTheKey(t *testing.T) {
	text := "axes = { variants = [\"check\", \"with\"] }\n[source.a]\npath = \"a.tar\"\n[source.b]\npath = \"b.tar\"\noptions.compile = true\n"
	dir := write(t, map[string]string{"m.toml": text, "a.tar": "a", "b.tar": "b", "program": "1", "bin/gcc": "#!/bin/sh\necho gcc 12.2.0\n"})
	t.Setenv("PATH", filepath.Join(dir, "bin")+":/usr/bin:/bin")
	keys := func() (list []string) {
		m := open(t, dir)
		if err := m.Digest(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, c := range m.Cells {
			list = append(list, c.Key)
		}
		return list
	}
	first, same := keys(), keys()
	if err := os.WriteFile(filepath.Join(dir, "bin/gcc"), []byte("#!/bin/sh\necho gcc 14.1.0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, key := range keys() {
		if name := open(t, dir).Cells[i].Name; same[i] != first[i] || (key != first[i]) != (name != "a/x86_64/check") {
			t.Errorf("%s: %s, %s, and with another compiler %s", name, first[i], same[i], key)
		}
	}
}

// A file is read again only when it has changed.
func TestDigestsAreRemembered(t *testing.T) {
	dir := write(t, map[string]string{"a": "1"})
	w, path := &Work{dir}, filepath.Join(dir, "a")
	d := w.digests()
	first, err := d.of(path)
	if err == nil {
		err = d.keep()
	}
	if err != nil {
		t.Fatal(err)
	}
	again := w.digests()
	entry := again.Files[path]
	entry.SHA256 = "remembered"
	again.Files[path] = entry
	if got, err := again.of(path); got != "remembered" || err != nil {
		t.Errorf("%s, %v: it was read again", got, err)
	}
	// The same size, and the old time: the inode's own time tells.
	st, err := os.Stat(path)
	if err == nil {
		err = errors.Join(os.WriteFile(path, []byte("2"), 0o644), os.Chtimes(path, st.ModTime(), st.ModTime()))
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.of(path); got == "remembered" || got == first || err != nil {
		t.Errorf("%s, %v: the change was not seen", got, err)
	}
}

func result(key string, code int, verdicts ...guest.Verdict) *Result {
	r := &Result{Cell: "a/with", Key: key, ExitCode: code, Report: &report.Report{}, Finished: time.Now()}
	for _, v := range verdicts {
		r.Report.Kernels = append(r.Report.Kernels, report.Kernel{Verdict: v})
	}
	return r
}

// The first whole result of a cell stays; the other one is told.
func TestFirstResultWins(t *testing.T) {
	w := &Work{t.TempDir()}
	unlock, err := w.Ready()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for i, code := range []int{0, 4} {
		name := []string{"7.0", "7.1"}[i]
		dir := filepath.Join(w.attempts("k"), name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		r := result("k", code, guest.Protected)
		r.Attempt, r.Host = name, "n1"
		if err := w.put(r, dir); errors.Is(err, errLate) != (i == 1) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	r, err := w.Result("k")
	if err != nil || r.Attempt != "7.0" {
		t.Fatalf("%+v, %v", r, err)
	}
	cell := w.Judge(&Cell{Name: "a/with", Variant: With}, r, false, "")
	if cell.ExitCode != 0 || len(cell.Notes) != 1 || !strings.Contains(cell.Notes[0], "7.1 on n1 came second, with exit code 4 and not 0") {
		t.Errorf("%+v", cell)
	}
	if _, err := w.Ready(); err == nil || !strings.Contains(err.Error(), "another ovzpatch matrix works in") {
		t.Errorf("a second call: %v", err)
	}
}

// A result that cannot be read is neither taken for one nor for none.
func TestBrokenResults(t *testing.T) {
	w := &Work{write(t, map[string]string{"results/k.json": "{}", "results/l.json": "{", "results/m.json": `{"key": "n", "report": {}}`})}
	for _, key := range []string{"k", "l", "m"} {
		if r, err := w.Result(key); err == nil || r != nil || !strings.Contains(err.Error(), "remove it, and the cell is done again") {
			t.Errorf("%s: %v, %v", key, r, err)
		}
	}
}

func TestJudge(t *testing.T) {
	w := &Work{t.TempDir()}
	for _, tt := range []struct {
		variant, expect string
		r               *Result
		outcome         string
		code            int
	}{
		{Check, "", result("k", 0), "fits", 0},
		{Check, "", result("k", 3), "misfit", 3},
		{Check, "misfit", result("k", 3), "misfit", 0},
		{Check, "misfit", result("k", 0), "fits", 4},
		{Check, "misfit", result("k", 1), "failed", 1},
		{With, "", result("k", 0, guest.Protected), "protected", 0},
		{With, "", result("k", 4, guest.Vulnerable), "vulnerable", 4},
		{With, "vulnerable", result("k", 4, guest.Vulnerable), "vulnerable", 0},
		{With, "vulnerable", result("k", 0, guest.Protected), "protected", 4},
		{With, "misfit", result("k", 0, guest.Protected), "protected", 4},
		{With, "vulnerable", result("k", 3), "misfit", 3},
		{With, "", result("k", 5, guest.Inconclusive), "inconclusive", 5},
		{With, "inconclusive", result("k", 5, guest.Inconclusive), "inconclusive", 0},
		{With, "protected", result("k", 5, guest.Inconclusive), "inconclusive", 4},
		{With, "vulnerable", result("k", 1, guest.Vulnerable), "failed", 1},
		{With, "", result("k", 2), "refused", 2},
		{Livepatch, "", result("k", 0, guest.Vulnerable, guest.Vulnerable, guest.Protected), "protected", 0},
		{Livepatch, "", result("k", 4, guest.Vulnerable, guest.Vulnerable), "vulnerable", 4},
		{Livepatch, "misfit", result("k", 3), "misfit", 0},
		{With, "misfit", nil, "no result", 1},
	} {
		cell := w.Judge(&Cell{Name: "a", Variant: tt.variant, Expect: tt.expect}, tt.r, false, "")
		if cell.Outcome != tt.outcome || cell.ExitCode != tt.code {
			t.Errorf("%s, expected %q, %+v: %s, %d; must be %s, %d", tt.variant, tt.expect, tt.r, cell.Outcome, cell.ExitCode, tt.outcome, tt.code)
		}
	}
}

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
	if err != nil || r.ExitCode != codeFailed || !strings.Contains(r.Report.Failure.Error, "left no report") {
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
