// SPDX-License-Identifier: Apache-2.0

package livepatch

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"
)

func TestStatus(t *testing.T) {
	files := func(pairs ...string) fstest.MapFS {
		m := fstest.MapFS{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1] + "\n")}
		}
		return m
	}
	const (
		module, ours   = "sys/module/ovzlivepatch_1/refcnt", "sys/kernel/livepatch/ovzlivepatch_1/"
		module2, ours2 = "sys/module/ovzlivepatch_2/refcnt", "sys/kernel/livepatch/ovzlivepatch_2/"
		kthread        = "proc/2/task/2/"
		thread         = "proc/300/task/310/"
	)
	if s, err := ReadStatus(files("proc/version", "x")); err == nil {
		t.Errorf("without /sys: %+v", s)
	}
	for name, c := range map[string]struct {
		root      fstest.MapFS
		protected bool
		want      string
	}{
		"no livepatches": {files("sys/module/loop/refcnt", "0"), false, "is not loaded"},
		"disabled":       {files(module, "0"), false, "is loaded, but disabled"},
		"in effect":      {files(module, "1", ours+"enabled", "1", ours+"transition", "0"), true, "containers are protected"},
		// It went between two reads.
		"just gone": {files(module, "1", ours+"enabled", "1"), false, "is loaded, but disabled"},
		"on its way": {
			files(module, "1", ours+"enabled", "1", ours+"transition", "1", kthread+"patch_state", "1", kthread+"comm", "kthreadd", thread+"patch_state", "0", thread+"comm", "umount"),
			false, "waits for thread 310 (umount)",
		},
		"on its way back": {
			files(module, "1", ours+"enabled", "0", ours+"transition", "1", kthread+"patch_state", "1", kthread+"comm", "kthreadd", thread+"patch_state", "0", thread+"comm", "umount"),
			false, "waits for thread 2 (kthreadd)",
		},
		"a newer one comes": {
			files(module, "1", ours+"enabled", "1", ours+"transition", "0", module2, "1", ours2+"enabled", "1", ours2+"transition", "1", thread+"patch_state", "0", thread+"comm", "umount"),
			true, "ovzlivepatch_2 comes into effect\n  waits for thread 310 (umount)",
		},
		"the older one goes": {
			files(module, "1", ours+"enabled", "0", ours+"transition", "1", module2, "1", ours2+"enabled", "1", ours2+"transition", "0"),
			true, "ovzlivepatch_1 was disabled, and is going out of effect\novzlivepatch_2 is in effect",
		},
		"nobody is named": {files(module, "1", ours+"enabled", "1", ours+"transition", "1"), false, "could not be named"},
		"another one": {
			files(module, "1", ours+"enabled", "1", ours+"transition", "0", "sys/kernel/livepatch/vendor/enabled", "1", "sys/kernel/livepatch/old/enabled", "0"),
			true, "other livepatches: vendor;",
		},
	} {
		s, err := ReadStatus(c.root)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Protected != c.protected || !strings.Contains(s.Text(), c.want) {
			t.Errorf("%s: %+v\n%s", name, s, s.Text())
		}
		if b, err := json.Marshal(s); err != nil || strings.Contains(string(b), "null") {
			t.Errorf("%s: %s, %v: a list without an entry is []", name, b, err)
		}
		if n := strings.Count(s.Text(), "waits for thread"); n > 1 {
			t.Errorf("%s: %d threads\n%s", name, n, s.Text())
		}
	}
}
