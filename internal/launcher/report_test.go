// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// The logs are what the programs really wrote, shortened.
const (
	ccacheLog = `# /dev/null
cache_miss
direct_cache_miss
# /dev/null
direct_cache_hit
# again.c
local_storage_read_hit
local_storage_write
recache
# f1.c
cache_miss
direct_cache_miss
local_storage_miss
local_storage_write
preprocessed_cache_miss
# f1.c
called_for_link
# 
no_input_file
# f1.c
direct_cache_hit
local_storage_hit
local_storage_read_hit
# f2.c
direct_cache_miss
preprocessed_cache_hit
`
	distccLog = `distcc[17850] (dcc_trace_version) distcc 3.4 x86_64-pc-linux-gnu; built Jan  6 2023 17:13:07
distcc[17850] exec on 127.0.0.1:13632: gcc -c f1.c -o f1.o
distcc[17850] cpp f1.c on localhost completed ok
distcc[17850] 146 bytes from f1.c compiled on 127.0.0.1 in 0.2093s, rate 1kB/s
distcc[17850] compile f1.c on 127.0.0.1:13632 completed ok
distcc[14230] ERROR: nonblocking connect to 127.0.0.1:3999 failed: Connection refused
distcc[14230] Warning: failed to distribute f1.c to 127.0.0.1:3999, running locally instead
distcc[14230] exec on localhost: x86_64-linux-gnu-gcc -c f1.c -o f1.o
distcc[14230] compile f1.c on localhost completed ok
distcc[14231] compile f2.c on 127.0.0.1:13632/7,lzo completed ok
distcc[14232] compile (null) on localhost completed ok
`
	iceccLog = `ICECC[28544] 2026-11-21 13:10:00: invoked as: gcc -O2 -c f1.c -o f1.o
ICECC[28544] 2026-11-21 13:10:00: asking for host to use
ICECC[28544] 2026-11-21 13:10:00: building myself, but telling localhost
ICECC[28544] 2026-11-21 13:10:00: invoking: /usr/bin/gcc -O2 -c f1.c -o f1.o
ICECC[19448] 2026-11-21 13:08:09: no local daemon found
ICECC[28575] 2026-11-21 13:10:00: neither -c nor -S argument, building locally
ICECC[28575] 2026-11-21 13:10:00: <building_local>
ICECC[7411] 2026-11-21 17:56:09: invoked as: gcc -Werror -D__KERNEL__ -c -x c /dev/null -o .tmp_9980/tmp
ICECC[7411] 2026-11-21 17:56:09: Have to use host 127.0.0.1:20246 - Job ID: 2 - env: x86_64 - has env: true - match j: 0
ICECC[7411] 2026-11-21 17:56:09: local build forced by remote exception: Error 103 - local cpp invocation failed, trying to recompile locally
ICECC[25346] 2026-11-21 17:43:14: asking for host to use
ICECC[25346] 2026-11-21 17:43:14: Have to use host 127.0.0.1:20246 - Job ID: 1 - env: x86_64 - has env: false - match j: 0
ICECC[25346] 2026-11-21 17:43:14: connected to 127.0.0.1
ICECC[27019] 2026-11-21 17:43:16: Have to use host 127.0.0.1:20246 - Job ID: 4 - env: x86_64 - has env: true - match j: 0
ICECC[27019] 2026-11-21 17:43:16: command needs stdout/stderr workaround, recompiling locally
ICECC[27019] 2026-11-21 17:43:16: local build forced by remote exception: Error 102 - command needs stdout/stderr workaround, recompiling locally
ICECC[27019] 2026-11-21 17:43:16: <building_local>
ICECC[23195] 2026-11-21 17:38:31: reply was not expected use_cs 0
ICECC[23195] 2026-11-21 17:38:31: got exception Error 1 - expected use_cs reply, but got 0 instead (this should be an exception!)
`
)

func TestReadLog(t *testing.T) {
	for name, tt := range map[string]struct {
		log  string
		want Report
		said string
	}{
		Ccache: {ccacheLog, Report{Hits: 2, Misses: 2}, "ccache: 2 of 4 objects from the cache (50.0 %)"},
		Distcc: {
			distccLog,
			Report{Hosts: map[string]int{"127.0.0.1:13632": 2, "localhost": 1}},
			"distcc: 2 compiled on 127.0.0.1:13632, 1 compiled on localhost",
		},
		Icecc: {
			iceccLog,
			Report{Hosts: map[string]int{"localhost": 4, "127.0.0.1:20246": 1}},
			"icecc: 4 compiled on localhost, 1 compiled on 127.0.0.1:20246",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, want := Report{Launcher: name}, tt.want
			want.Launcher = name
			if err := got.read(strings.NewReader(tt.log)); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if got.String() != tt.said {
				t.Errorf("says %q", got.String())
			}
			none := Report{Launcher: name}
			if !strings.Contains(none.String(), "nothing was compiled through it") {
				t.Errorf("says %q", none.String())
			}
		})
	}
}

func TestSccacheCountsOnlyThisBuild(t *testing.T) {
	const text = `{"stats":{"compile_requests":2,"cache_hits":{"counts":{"C/C++":3,"Assembler":1}},"cache_misses":{"counts":{"C/C++":5}},"dist_compiles":{"10.0.0.1:10501":4,"10.0.0.2:10501":2}},"cache_size":474}`
	var before, now sccacheStats
	if err := json.Unmarshal([]byte(text), &now); err != nil {
		t.Fatal(err)
	}
	before.Stats.Hits.Counts = map[string]int{"C/C++": 1}
	before.Stats.Hosts = map[string]int{"10.0.0.2:10501": 2}
	got := Report{Launcher: Sccache}
	got.add(before, now)
	want := Report{Launcher: Sccache, Hits: 3, Misses: 5, Hosts: map[string]int{"10.0.0.1:10501": 4}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
