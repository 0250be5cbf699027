// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Report is what a launcher did in one build.
type Report struct {
	Launcher string `json:"name"`
	Hits     int    `json:"hits,omitempty"`   // objects that came from a cache
	Misses   int    `json:"misses,omitempty"` // objects that had to be compiled for it
	// Hosts counts compilations by the machine that did them.
	Hosts map[string]int `json:"hosts,omitempty"`
}

// local is this machine's name among the hosts.
const local = "localhost"

func (r *Report) String() string {
	var parts []string
	if n := r.Hits + r.Misses; n > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d objects from the cache (%.1f %%)", r.Hits, n, 100*float64(r.Hits)/float64(n)))
	}
	hosts := slices.SortedFunc(maps.Keys(r.Hosts), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Hosts[b], r.Hosts[a]), cmp.Compare(a, b))
	})
	for _, h := range hosts {
		parts = append(parts, fmt.Sprintf("%d compiled on %s", r.Hosts[h], h))
	}
	if parts == nil {
		return r.Launcher + ": nothing was compiled through it; does the build call its compiler by another name, or by its path?"
	}
	return r.Launcher + ": " + strings.Join(parts, ", ")
}

func (l *Launcher) report(ctx context.Context) (*Report, error) {
	r := &Report{Launcher: l.name}
	if l.name == Sccache {
		return r, l.server.count(ctx, r)
	}
	f, err := os.Open(l.log())
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil // it was never called
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return r, r.read(f)
}

// read counts what a launcher's log tells.
func (r *Report) read(log io.Reader) error {
	l := &logReader{Report: r, given: map[string]string{}}
	count := map[string]func(string){Ccache: l.ccache, Distcc: l.distcc, Icecc: l.icecc}[r.Launcher]
	s := bufio.NewScanner(log)
	s.Buffer(nil, 4<<20) // distcc logs whole command lines
	for s.Scan() {
		count(s.Text())
	}
	return s.Err()
}

// logReader reads a log line by line. It does not count compilations of an empty file, with which
// makefiles test what the compiler can do.
type logReader struct {
	*Report
	probe bool              // ccache: an empty file was compiled last
	given map[string]string // icecc: the host to which each process sent its file, or nothing
}

// nothing is the empty source of a compilation that only tests the compiler.
const nothing = "/dev/null"

// ccache reads ccache's statistics log: a source, and the names of the counters that it raised.
func (l *logReader) ccache(line string) {
	switch line {
	case "direct_cache_hit", "preprocessed_cache_hit":
		if !l.probe {
			l.Hits++
		}
	case "cache_miss", "recache": // the latter with CCACHE_RECACHE
		if !l.probe {
			l.Misses++
		}
	default:
		if source, ok := strings.CutPrefix(line, "# "); ok {
			l.probe = source == nothing
		}
	}
}

// What the logs say about a finished or an assigned compilation. Preprocessing, linking and
// questions to the compiler do not go to a farm, and are not counted.
var (
	distccDone  = regexp.MustCompile(`^distcc\[\d+\] compile ([^(].*) on ([^\s/,]+)\S* completed ok$`)
	iceccProbe  = regexp.MustCompile(`^ICECC\[(\d+)\] [-0-9: ]+: invoked as: .* -x \S+ /dev/null( |$)`)
	iceccRemote = regexp.MustCompile(`^ICECC\[(\d+)\] [-0-9: ]+: Have to use host (\S+) - Job ID: `)
	iceccLocal  = regexp.MustCompile(`^ICECC\[(\d+)\] [-0-9: ]+: (building myself, but telling localhost|no local daemon found|local build forced by remote exception: |got exception )`)
)

func (l *logReader) distcc(line string) {
	if m := distccDone.FindStringSubmatch(line); m != nil {
		l.on(m[2])
	}
}

// icecc says late that it compiles a file here once more, because the compiler printed something.
func (l *logReader) icecc(line string) {
	if m := iceccProbe.FindStringSubmatch(line); m != nil {
		l.given[m[1]] = nothing
	} else if m := iceccRemote.FindStringSubmatch(line); m != nil && l.given[m[1]] != nothing {
		l.given[m[1]] = m[2]
		l.on(m[2])
	} else if m := iceccLocal.FindStringSubmatch(line); m != nil && l.given[m[1]] != nothing {
		if host := l.given[m[1]]; host != "" {
			delete(l.given, m[1])
			if l.Hosts[host]--; l.Hosts[host] == 0 {
				delete(l.Hosts, host)
			}
		}
		l.on(local)
	}
}

func (r *Report) on(host string) {
	if r.Hosts == nil {
		r.Hosts = map[string]int{}
	}
	r.Hosts[host]++
}
