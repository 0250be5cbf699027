// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/report"
	"ovzpatch/internal/testutil"
)

// timed is a sample with a console and times, and with many cases.
func timed(t *testing.T) *report.Report {
	t.Helper()
	r := sample()
	r.Kernels[1].Verdict, r.Kernels[1].Results = guest.Vulnerable, slices.Delete(r.Kernels[1].Results, 1, 2)
	for i := range r.Kernels {
		k := &r.Kernels[i]
		k.Console = filepath.Join(t.TempDir(), "console.log")
		if err := os.WriteFile(k.Console, []byte("[    0.000000] Linux version\r\n"+strings.Repeat("x", 500)), 0o600); err != nil {
			t.Fatal(err)
		}
		for n := range 30 {
			k.Results = append(k.Results, guest.Result{Name: fmt.Sprintf("plain-with-a-long-name-%d", n), Backend: "namespaces", Verdict: guest.Either, Got: guest.Seen{Errno: "EBUSY", Held: "ESHUTDOWN"}})
		}
		k.Ready, k.Seconds = 5, 9
		for n := range k.Results {
			k.Ended = append(k.Ended, 5+3*float64(n+1)/float64(len(k.Results)))
		}
	}
	return r
}

// measured is what a reader sees, measured in the browser.
type measured struct {
	Scroll, Open, Cases, Closed, Pictures, Lost, Stretches, Scripts int
	Head, Background                                                string
	HeadEnds                                                        float64
	Wide, Faint                                                     []string
}

const measure = `<script>
const all = (s) => [...document.querySelectorAll(s)];
const light = (c) => { const [r, g, b] = c.match(/[\d.]+/g).map(x => x / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (c !== 'rgba(0, 0, 0, 0)') return c; } return 'rgb(255, 255, 255)'; };
const m = {
  scroll: document.documentElement.scrollWidth, head: all('h1')[0].textContent, headEnds: all('h1')[0].getBoundingClientRect().bottom,
  cases: all('details.case').length, open: all('details.case[open]').length, closed: all('details.console:not([open])').length,
  pictures: all('figure svg').length, lost: all('figure svg').filter(s => s.textContent.includes('lost it: ESHUTDOWN')).length,
  stretches: all('.timeline rect').filter(r => r.getBoundingClientRect().width > 0).length, scripts: all('script').length - 1,
  background: behind(document.body), wide: [], faint: [],
};
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const e = walk.currentNode.parentElement, text = walk.currentNode.data.trim();
  if (!text || e.tagName === 'SCRIPT' || e.tagName === 'title' || !e.checkVisibility()) continue;
  const r = document.createRange(); r.selectNodeContents(walk.currentNode);
  if (r.getBoundingClientRect().right > innerWidth) m.wide.push(text);
  const style = getComputedStyle(e), a = light(e instanceof SVGElement ? style.fill : style.color), b = light(behind(e));
  if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) m.faint.push(text);
}
document.body.dataset.measured = JSON.stringify(m);
</script></body>`

var (
	policy   = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`)
	findings = regexp.MustCompile(`data-measured="([^"]*)"`)
)

// browse measures a page in Debian's chromium.
func browse(t *testing.T, page []byte, width int, dark bool) (m measured, ran bool) {
	t.Helper()
	out := testutil.Browse(t, page, width, 900, dark, "--dump-dom")
	found := findings.FindStringSubmatch(out)
	if found == nil {
		return m, false
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(found[1])), &m); err != nil {
		t.Fatal(err)
	}
	return m, true
}

func page(t *testing.T, r *report.Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPageInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	rows := reports(t)
	type want struct {
		r                                   *report.Report
		head                                string
		cases, open, closed, pictures, lost int
	}
	for name, tt := range map[string]want{
		"good":    {timed(t), "Every kernel behaved as expected", 33, 0, 2, 2, 1},
		"wrong":   {sample(), "A kernel did not behave as expected", 4, 1, 0, 2, 1},
		"hung":    {rows["hung"].r, "Failed before there was a result", 4, 1, 1, 1, 0},
		"hostile": {rows["hostile"].r, "A kernel did not behave as expected", 5, 5, 0, 0, 0},
		"matrix":  {rows["matrix"].r, "A cell is not as expected", 2, 0, 0, 0, 0},
		"build":   {rows["no build"].r, "Failed before there was a result", 0, 0, 0, 0, 0},
	} {
		text := page(t, tt.r)
		open := strings.Replace(policy.ReplaceAllString(text, ""), "</body>", measure, 1)
		backgrounds := map[string]bool{}
		for _, width := range []int{400, 1280} {
			for _, dark := range []bool{true, false} {
				m, ran := browse(t, []byte(open), width, dark)
				at := fmt.Sprintf("%s, %d pixels, dark %t", name, width, dark)
				if !ran {
					t.Fatalf("%s: nothing was measured", at)
				}
				if m.Scroll > width || len(m.Wide) > 0 {
					t.Errorf("%s: the page is %d wide; beyond the window: %q", at, m.Scroll, m.Wide)
				}
				if len(m.Faint) > 0 {
					t.Errorf("%s: hard to read: %q", at, m.Faint)
				}
				if m.Head != tt.head || m.HeadEnds > 200 {
					t.Errorf("%s: the verdict is %q and ends at %.0f", at, m.Head, m.HeadEnds)
				}
				if got := (want{tt.r, tt.head, m.Cases, m.Open, m.Closed, m.Pictures, m.Lost}); got != tt {
					t.Errorf("%s: cases, open ones, folded consoles, pictures, pictures with a loss: %+v, want %+v", at, got, tt)
				}
				if lines := map[string]int{"good": 2 * (33 + 2)}[name]; m.Stretches > lines || m.Stretches < lines-4 {
					t.Errorf("%s: the time lines have %d parts, want about %d", at, m.Stretches, lines)
				}
				if m.Scripts != 0 {
					t.Errorf("%s: a text became a script", at)
				}
				backgrounds[m.Background] = true
			}
		}
		if len(backgrounds) != 2 {
			t.Errorf("%s: light and dark have the backgrounds %v", name, backgrounds)
		}
	}
	// As it is written it runs no script, whoever puts one in.
	if _, ran := browse(t, []byte(strings.Replace(page(t, sample()), "</body>", measure, 1)), 400, false); ran {
		t.Error("a script ran")
	}
}

// The page loads nothing, and no text becomes markup.
func TestPageIsSelfContained(t *testing.T) {
	for name, tt := range reports(t) {
		// Links within the page load nothing.
		text := strings.ReplaceAll(page(t, tt.r), ` href="#cell-`, "")
		if found := regexp.MustCompile(`(?i)<(script|link|img|iframe|object)|\s(src|href|on\w+)=|url\(`).FindString(text); found != "" {
			t.Errorf("%s: the page has %q", name, found)
		}
		if strings.ContainsAny(text, "\x00\x1b\r") || strings.Contains(text, "</testcase>") || strings.Contains(text, "<evil") {
			t.Errorf("%s: a text of the guest came through:\n%s", name, text)
		}
	}
	if text := page(t, reports(t)["hung"].r); !strings.Contains(text, "^[[1;31mhello") || !strings.Contains(text, "boot vmlinuz: hung") {
		t.Errorf("no console, or no failure:\n%s", text)
	}
}
