// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/testutil"
)

// samplePage has a kernel that is proved, one that is not, and text that tries to be more.
func samplePage() *Page {
	good, bad := sample(), sample()
	for i := range 20 {
		good.Table = append(good.Table, []string{fmt.Sprintf("force-and-detach-%d", i), "userns", "EBUSY, message, held file ESHUTDOWN", "EBUSY, 2 umount_begin, 3 messages, host ESHUTDOWN, held file ESHUTDOWN (FAULTY)"})
	}
	bad.Name, bad.Proved, bad.Missing, bad.Tests = "kernel-ovz-"+strings.Repeat("9", 200)+".i686", false, "nobody booted this package", nil
	bad.Derived = `<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">`
	bad.Packages[0].File = `"><script>window.hacked=1</script>.rpm`
	bad.Packages[0].Path = `javascript:window.hacked=1//../../x"onmouseover="window.hacked=1.rpm`
	bad.Toolchain = map[string]string{"<b id=hacked>gcc</b>": "turned \u202Eround\x1b[31m"}
	bad.Table = append(bad.Table, []string{`"onclick="x`, "</table></details>", strings.Repeat("long", 60), "</style><style>body{display:none}"})
	bad.Lines = []Line{{"with the patch", "</code></dl><h1 id=hacked>ok</h1>"}}
	repo := "[ovzpatch]\nname=Kernels for Lustre\nbaseurl=https://mirror.example.com/" + strings.Repeat("deep/", 20) + "modern\ngpgcheck=1\n"
	return &Page{
		Title: "Kernels & <modules> for Lustre", Generation: 7, Made: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC),
		Key: Key{"0123456789ABCDEF0123456789ABCDEF01234567", "Release <release@example.com>", "RPM-GPG-KEY-ovzpatch"},
		Clients: []Client{
			{Name: "RHEL 5: yum", RepoFile: "ovzpatch-rhel5.repo", Text: repo, Commands: []string{"rpm --import https://mirror.example.com/RPM-GPG-KEY-ovzpatch", "yum install kernel-ovz"}},
			{Name: "SUSE: zypper", Commands: []string{"zypper install kernel-ovz"}},
			{Name: "RHEL 6: yum", Note: "There is no <b id=hacked>.repo</b> file."},
		},
		Kernels: []Kernel{good, bad},
		Notices: []Notice{{
			"OVZ-2026:001", "Important", "umount -f <b id=hacked>stops</b> Lustre\nsecond line " + strings.Repeat("long", 60),
			[]string{"CVE-2026-1234", `https://example.org/"onclick="x`},
			time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC),
			[]string{"kernel-ovz-6.1.1-2.lustre1.x86_64", "kernel-ovz-devel-6.1.1-2.lustre1.x86_64"},
		}},
		Retired: []Retired{{"kernel-ovz-6.1.1-1.lustre1.x86_64", "CVE-2026-0001", time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)}},
	}
}

// measure runs in the browser, in a copy of the page that allows it, and notes what the reader sees.
const measure = `<script>
function lum(c) {
  const v = c.match(/[\d.]+/g).slice(0, 3).map(x => { x /= 255; return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2];
}
function back(e) {
  for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\)$/.test(c)) return c; }
  return 'rgb(255, 255, 255)';
}
const seen = { width: innerWidth, scroll: document.documentElement.scrollWidth, wide: [], faint: [], small: [], hacked: !!window.hacked || !!document.getElementById('hacked'), background: back(document.body),
  scripts: document.querySelectorAll('script').length - 1, handlers: [...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on/i.test(a.name))).length,
  links: [...document.querySelectorAll('a')].map(a => a.getAttribute('href')), loads: document.querySelectorAll('[src],link,iframe,object,embed').length };
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let n; n = walk.nextNode();) {
  const e = n.parentElement;
  if (!n.data.trim() || e.tagName === 'SCRIPT' || !e.checkVisibility()) continue;
  const range = document.createRange(); range.selectNodeContents(n);
  const box = range.getBoundingClientRect(), style = getComputedStyle(e);
  if (box.right > innerWidth + 1) seen.wide.push(n.data.trim().slice(0, 60));
  if (parseFloat(style.fontSize) < 12) seen.small.push(n.data.trim().slice(0, 60));
  const a = lum(style.color), b = lum(back(e)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) seen.faint.push(n.data.trim().slice(0, 60) + ' ' + ratio.toFixed(2));
}
const alarm = document.querySelector('.alarm');
seen.alarm = alarm ? alarm.getBoundingClientRect().bottom : -1;
seen.marks = [...document.querySelectorAll('article > p .mark')].map(m => m.textContent);
seen.cases = getComputedStyle(document.querySelector('.cases td')).display;
const pre = document.createElement('pre'); pre.id = 'seen'; pre.textContent = JSON.stringify(seen);
document.documentElement.append(pre);
</script>`

type seen struct {
	Width, Scroll            int
	Wide, Faint, Small       []string
	Hacked                   bool
	Background, Cases        string
	Scripts, Handlers, Loads int
	Links, Marks             []string
	Alarm                    float64
}

var policy = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`)

// The page in a real browser, on a telephone and a screen, light and dark.
func TestPageInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	page, err := samplePage().HTML()
	if err != nil {
		t.Fatal(err)
	}
	backgrounds := map[string]string{}
	for _, width := range []int{400, 1280} {
		for scheme, dark := range map[string]bool{"dark": true, "light": false} {
			t.Run(fmt.Sprint(width, "/", scheme), func(t *testing.T) {
				open := strings.Replace(policy.ReplaceAllString(string(page), ""), "</body>", measure+"</body>", 1)
				dom := testutil.Browse(t, []byte(open), width, 900, dark, "--dump-dom")
				_, text, ok := strings.Cut(dom, `<pre id="seen">`)
				text, _, _ = strings.Cut(text, "</pre>")
				var s seen
				if err := json.Unmarshal([]byte(html.UnescapeString(text)), &s); !ok || err != nil {
					t.Fatalf("nothing was measured: %v\n%.2000s", err, dom)
				}
				if s.Width != width || s.Scroll > width || len(s.Wide) > 0 {
					t.Errorf("the window has %d pixels, the page %d; too wide: %q", s.Width, s.Scroll, s.Wide)
				}
				if len(s.Faint) > 0 || len(s.Small) > 0 {
					t.Errorf("hard to read, for want of contrast: %q, of size: %q", s.Faint, s.Small)
				}
				if s.Hacked || s.Scripts > 0 || s.Handlers > 0 || s.Loads > 0 {
					t.Errorf("text became more than text: %+v", s)
				}
				for _, link := range s.Links {
					if !strings.HasPrefix(link, "./") || strings.Contains(link, "..") {
						t.Errorf("a link leads to %q", link)
					}
				}
				if fmt.Sprint(s.Marks) != "[PROVED NOT PROVED]" || s.Alarm <= 0 || s.Alarm > 600 {
					t.Errorf("marks %q, the alarm ends at %.0f", s.Marks, s.Alarm)
				}
				if want := map[int]string{400: "block", 1280: "table-cell"}[width]; s.Cases != want {
					t.Errorf("a cell of the table is a %s, want %s", s.Cases, want)
				}
				backgrounds[scheme] = s.Background
			})
		}
	}
	if backgrounds["light"] == backgrounds["dark"] {
		t.Errorf("light and dark have the same background %s", backgrounds["light"])
	}
}

// As it is published it runs no script at all, whoever puts one in.
func TestPageForbidsScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	page, err := samplePage().HTML()
	if err != nil {
		t.Fatal(err)
	}
	dom := testutil.Browse(t, []byte(strings.Replace(string(page), "</body>", measure+"</body>", 1)), 400, 900, false, "--dump-dom")
	if strings.Contains(dom, `<pre id="seen">`) {
		t.Error("a script ran")
	}
}

// On paper every table is open, and light.
func TestPageOnPaper(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	p := samplePage()
	pages := func(kernels []Kernel) int {
		p.Kernels = kernels
		page, err := p.HTML()
		if err != nil {
			t.Fatal(err)
		}
		pdf := filepath.Join(t.TempDir(), "page.pdf")
		testutil.Browse(t, page, 1280, 900, true, "--print-to-pdf="+pdf)
		b, err := os.ReadFile(pdf)
		if err != nil {
			t.Fatal(err)
		}
		return len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(b, -1))
	}
	// The second one's table is closed on the screen. With it come further sheets.
	one := sample()
	for range 200 {
		one.Table = append(one.Table, one.Table[1])
	}
	without := one
	without.Table = nil
	if with, less := pages([]Kernel{sample(), one}), pages([]Kernel{sample(), without}); with < less+3 {
		t.Errorf("%d sheets with a table of 200 rows, %d without", with, less)
	}
}

func TestPageWithoutAnything(t *testing.T) {
	b, err := (&Page{Title: "x"}).HTML()
	if err != nil || !strings.Contains(string(b), "There are none.") || strings.Contains(string(b), "NOT PROVED") {
		t.Errorf("%v\n%s", err, b)
	}
}

// A kernel that was published without its control does not claim that there was one.
func TestPageNamesAMissingControl(t *testing.T) {
	p := samplePage()
	p.Kernels = p.Kernels[:1]
	p.Kernels[0].Tests = p.Kernels[0].Tests[:1]
	b, err := p.HTML()
	if err != nil || !strings.Contains(string(b), "The same kernel without it was not tried.") || strings.Contains(string(b), "without it does not") {
		t.Errorf("%v\n%s", err, b)
	}
}
