// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"ovzpatch/internal/guest"
)

//go:embed style.css page.html matrix.html
var pageFiles embed.FS

var pageTemplates = template.Must(template.ParseFS(pageFiles, "*"))

// maxCases is how many cases a page shows: browsers become slow with more.
const maxCases = 2000

// page is what the template shows. Its texts are visible and bounded.
type page struct {
	Mark, Head string // "good", "bad" or "unknown", and the verdict in words
	Why        []string
	Facts      [][2]string
	Failure    string
	Kernels    []pageKernel
	Cases      []pageCase
	Left       int // cases that had no room
	// Pictures, Lines and Consoles tell whether any kernel has one.
	Pictures, Lines, Consoles bool
}

type pageKernel struct {
	Name, Called, Release, Package string // Called is the name in a sentence
	Mark, Verdict, Expect          string
	Cases                          int
	Seconds                        string
	Proof, Broken, Console         string
	Notes, Findings                []string
	Picture                        *picture
	Line                           []stretch
	Ready, Total                   string
	Slowest                        []string
	ConsoleFile                    string
}

type pageCase struct {
	Name, Backend, Mark string
	Cells               []pageCell
}

type pageCell struct {
	Label, Mark, Seen, Why string
	Log                    []string
	Facts                  string
}

// picture is who lost the filesystem in one case.
type picture struct {
	Case, Kernel string
	Forced       bool
	Readers      []reader
}

type reader struct {
	X                int
	Who, State, Mark string
}

// stretch is a part of a guest's time, in thousandths of the whole.
type stretch struct {
	X, Width    float64
	Mark, Title string
}

// HTML writes the report as one page, which needs nothing else.
func (r *Report) HTML(w io.Writer) error {
	var err error
	if r.isMatrix() {
		err = pageTemplates.ExecuteTemplate(w, "matrix.html", r.matrixPage())
	} else {
		err = pageTemplates.ExecuteTemplate(w, "page.html", r.page())
	}
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

func (r *Report) page() page {
	b := budget{maxTexts, maxTests}
	text := func(s string, limit int) string { return b.take(bounded(s, limit)) }
	p := page{}
	p.Mark, p.Head, p.Why = r.head()
	for _, f := range [][2]string{
		{"Source", r.Source}, {"Line", r.Line}, {"Patch", r.Patch}, {"Derived", r.Derived}, {"Guests ran under", strings.ToUpper(r.Accel)}, {"Snapshot", r.Snapshot},
	} {
		if f[1] != "" {
			p.Facts = append(p.Facts, [2]string{f[0], text(f[1], maxMessage)})
		}
	}
	if r.Failure != nil {
		p.Failure = text(r.Failure.Error, maxText)
		if r.Failure.Log != "" {
			p.Failure += "\nsee " + text(r.Failure.Log, maxMessage)
		}
	}
	results := make([]map[caseID]*guest.Result, len(r.Kernels))
	for i, k := range r.Kernels {
		results[i] = k.byCase()
		one := k.page(oneLine(r.kernelName(i), maxName), text)
		p.Kernels = append(p.Kernels, one)
		p.Pictures = p.Pictures || one.Picture != nil
		p.Lines = p.Lines || len(one.Line) > 0
		p.Consoles = p.Consoles || one.Console != ""
	}
	ids := r.cases()
	if p.Left = max(0, len(ids)-maxCases); p.Left > 0 {
		ids = ids[:maxCases]
	}
	for _, id := range ids {
		c := pageCase{Name: oneLine(id.name, maxName), Backend: oneLine(id.backend, maxName)}
		for i, k := range r.Kernels {
			cell := k.pageCell(id, results[i][id], text)
			cell.Label = p.Kernels[i].Name
			c.Cells = append(c.Cells, cell)
			if worse(cell.Mark, c.Mark) {
				c.Mark = cell.Mark
			}
		}
		p.Cases = append(p.Cases, c)
	}
	return p
}

// marks are the classes of the page's style, from good to bad.
var marks = []string{"", "control", "good", "skipped", "unknown", "bad"}

func worse(a, b string) bool { return slices.Index(marks, a) > slices.Index(marks, b) }

// head is the verdict on the whole, and what it rests on.
func (r *Report) head() (mark, head string, why []string) {
	for i, k := range r.Kernels {
		line := fmt.Sprintf("%s: %s", oneLine(r.kernelName(i), maxName), k.Verdict)
		if k.Expect != "" && k.Expect != k.Verdict {
			line += fmt.Sprintf(", and must be %s", k.Expect)
		}
		why = append(why, line)
	}
	switch {
	case r.Failure != nil:
		return "unknown", "Failed before there was a result", why
	case !r.Behaved():
		return "bad", "A kernel did not behave as expected", why
	case !r.Conclusive():
		return "unknown", "There is no verdict", why
	case len(r.Kernels) == 0:
		return "good", "Done", why
	case len(r.Kernels) == 1 && r.Kernels[0].Expect == "":
		mark = "unknown"
		if r.Kernels[0].Verdict == guest.Protected {
			mark = "good"
		} else if r.Kernels[0].Verdict == guest.Vulnerable {
			mark = "bad"
		}
		return mark, "The kernel is " + string(r.Kernels[0].Verdict), nil
	}
	return "good", "Every kernel behaved as expected", why
}

func (k Kernel) page(name string, text func(string, int) string) pageKernel {
	p := pageKernel{
		Name: name, Called: name, Release: oneLine(k.Release, maxName), Package: text(k.Package, maxMessage),
		Verdict: string(k.Verdict), Expect: string(k.Expect), Mark: "good", Cases: len(k.Results), Seconds: fmt.Sprintf("%.1f s", k.Seconds),
		Proof: text(k.Proof(), maxMessage), Broken: text(k.Broken, maxMessage), Console: text(k.consoleEnd(), maxConsole),
		ConsoleFile: text(k.Console, maxMessage), Picture: k.picture(),
	}
	if strings.HasPrefix(name, "with") {
		p.Called = "the kernel " + name
	}
	switch {
	case k.Verdict == guest.Inconclusive:
		p.Mark = "unknown"
	case k.Verdict == guest.Faulty, k.Expect != "" && k.Verdict != k.Expect, k.Expect == "" && k.Verdict == guest.Vulnerable:
		p.Mark = "bad"
	}
	for _, n := range k.Notes {
		p.Notes = append(p.Notes, text(n, maxMessage))
	}
	var b strings.Builder
	k.findings(&b)
	for line := range strings.Lines(b.String()) {
		p.Findings = append(p.Findings, text(strings.TrimSpace(line), maxMessage))
	}
	k.timeLine(&p)
	return p
}

func (k Kernel) pageCell(id caseID, r *guest.Result, text func(string, int) string) pageCell {
	t := k.test(id, r)
	c := pageCell{Seen: oneLine(cell(r), maxMessage), Why: text(t.message, maxMessage)}
	c.Mark = t.mark()
	if r == nil {
		return c
	}
	if t.status == passed && r.Verdict == guest.Either {
		c.Mark = "control"
	}
	for _, line := range r.Log {
		c.Log = append(c.Log, text(line, maxMessage))
	}
	c.Facts = fmt.Sprintf("%s, %d ms", r.Verdict, r.Millis)
	if r.Got.Want != "" {
		c.Facts += ", container " + oneLine(r.Got.Want, maxName)
	}
	return c
}

// picture shows the first case that tells this kernel from the other kind; nil where there is none.
func (k Kernel) picture() *picture {
	i := slices.IndexFunc(k.Results, func(r guest.Result) bool {
		return r.Backend != "host" && (r.Verdict == guest.Protected || r.Verdict == guest.Vulnerable) && r.Got.Host != ""
	})
	if i < 0 {
		return nil
	}
	r := k.Results[i]
	p := &picture{Case: oneLine(r.Name+", in "+r.Backend, maxName), Forced: r.Got.Forced > 0, Kernel: "drops MNT_FORCE, logs it"}
	switch {
	case p.Forced:
		p.Kernel = "calls umount_begin"
	case r.Got.Messages == 0:
		p.Kernel = "refuses: " + oneLine(r.Got.Errno, 12)
	}
	for _, who := range []struct{ name, errno string }{{"the host", r.Got.Host}, {"other container", r.Got.Peer}} {
		if who.errno == "" {
			continue
		}
		one := reader{X: 20 + 150*len(p.Readers), Who: who.name, State: "reads and writes", Mark: "good"}
		if who.errno != "0" {
			one.State, one.Mark = "lost it: "+oneLine(who.errno, 12), "bad"
		}
		p.Readers = append(p.Readers, one)
	}
	return p
}

// timeLine fills in when the guest was ready and when each case ended, by the host's clock.
func (k Kernel) timeLine(p *pageKernel) {
	p.Ready, p.Total = fmt.Sprintf("%.1f s", k.Ready), fmt.Sprintf("%.1f s", k.Seconds)
	if k.Ready <= 0 || k.Seconds < k.Ready || len(k.Ended) > len(k.Results) {
		return // a report of an older release, or of a guest that never spoke
	}
	scale := 1000 / k.Seconds
	p.Line = []stretch{{0, k.Ready * scale, "boot", fmt.Sprintf("boot: %.1f s", k.Ready)}}
	from := k.Ready
	for i, to := range k.Ended[:min(len(k.Ended), maxCases)] {
		if to < from || to > k.Seconds {
			continue
		}
		r := k.Results[i]
		p.Line = append(p.Line, stretch{from * scale, max((to-from)*scale, 0.3), k.test(caseID{r.Name, r.Backend}, &r).mark(), oneLine(fmt.Sprintf("%s in %s: %.2f s", r.Name, r.Backend, to-from), maxMessage)})
		from = to
	}
	p.Line = append(p.Line, stretch{from * scale, max(0, k.Seconds-from) * scale, "boot", fmt.Sprintf("power off: %.1f s", k.Seconds-from)})
	slow := slices.Clone(k.Results)
	slices.SortStableFunc(slow, func(a, b guest.Result) int { return cmp.Compare(b.Millis, a.Millis) })
	for _, r := range slow[:min(3, len(slow))] {
		p.Slowest = append(p.Slowest, oneLine(fmt.Sprintf("%s in %s: %d ms", r.Name, r.Backend, r.Millis), maxMessage))
	}
}

func (t test) mark() string {
	return map[status]string{passed: "good", failed: "bad", errored: "unknown", skipped: "skipped"}[t.status]
}
