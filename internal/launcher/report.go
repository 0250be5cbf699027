// SPDX-License-Identifier: GPL-2.0-only

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

// local is the name of this machine among the hosts.
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
		return r.Launcher + ": nothing was compiled through it: does the build call its compiler by another name, or by its path?"
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
	given := map[string]string{}
	icecc := func(line string) { r.icecc(line, given) }
	count := map[string]func(string){Ccache: r.ccache, Distcc: r.distcc, Icecc: icecc}[r.Launcher]
	s := bufio.NewScanner(log)
	s.Buffer(nil, 4<<20) // distcc logs whole command lines
	for s.Scan() {
		count(s.Text())
	}
	return s.Err()
}

// ccache reads its statistics log: the names of the counters that each call raised.
func (r *Report) ccache(line string) {
	switch line {
	case "direct_cache_hit", "preprocessed_cache_hit":
		r.Hits++
	case "cache_miss":
		r.Misses++
	}
}

// What the logs say of a finished or an assigned compilation. Preprocessing, linking and
// questions to the compiler are not what a farm is for, and not counted.
var (
	distccDone  = regexp.MustCompile(`^distcc\[\d+\] compile ([^(].*) on ([^\s/,]+)\S* completed ok$`)
	iceccRemote = regexp.MustCompile(`^ICECC\[(\d+)\] [-0-9: ]+: Have to use host (\S+) - Job ID: `)
	iceccLocal  = regexp.MustCompile(`^ICECC\[(\d+)\] [-0-9: ]+: (building myself, but telling localhost|no local daemon found|local build forced by remote exception: |got exception )`)
)

func (r *Report) distcc(line string) {
	if m := distccDone.FindStringSubmatch(line); m != nil {
		r.on(m[2])
	}
}

// icecc keeps in given which process gave its file to which host: one that the compiler
// says something about is compiled here once more.
func (r *Report) icecc(line string, given map[string]string) {
	if m := iceccRemote.FindStringSubmatch(line); m != nil {
		given[m[1]] = m[2]
		r.on(m[2])
	} else if m := iceccLocal.FindStringSubmatch(line); m != nil {
		if host := given[m[1]]; host != "" {
			delete(given, m[1])
			if r.Hosts[host]--; r.Hosts[host] == 0 {
				delete(r.Hosts, host)
			}
		}
		r.on(local)
	}
}

func (r *Report) on(host string) {
	if r.Hosts == nil {
		r.Hosts = map[string]int{}
	}
	r.Hosts[host]++
}
