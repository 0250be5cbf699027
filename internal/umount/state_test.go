// SPDX-License-Identifier: Apache-2.0

package umount

import "testing"

func TestChangedState(t *testing.T) {
	const status = "Name:\tagent\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\nvoluntary_ctxt_switches:\t5\n"
	stat := func(flags string) string { return "12 (a) b) R 1 1 1 0 -1 " + flags + " 100 0 0 0\n" }
	read := func(stat, status string) state {
		s, err := parseState(stat, status)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := read(stat("4194560"), status)
	for _, c := range []struct{ stat, status, want string }{
		{stat("4194560"), status, ""},
		{stat("4202496"), status, ""}, // used the floating point unit, and no privilege
		{stat("4194560"), "Name:\tother\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\nvoluntary_ctxt_switches:\t6\n", ""},
		{stat("6291712"), status, "flags 0x400000 becomes 0x600000"}, // PF_KTHREAD
		{stat("4194560"), "Uid:\t0\t1\t1\t1\nCapEff:\t0\n", "CapEff 000001ffffffffff becomes 0, Uid 0 0 0 0 becomes 0 1 1 1"},
	} {
		if got := changedState(before, read(c.stat, c.status)); got != c.want {
			t.Errorf("%q: got %q, want %q", c.stat+c.status, got, c.want)
		}
	}
	for _, bad := range []string{"", "1 (a) R 1", "1 (a) R 1 1 1 0 -1 x 1"} {
		if _, err := parseState(bad, status); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if s, err := callerState(); err != nil || s["flags"] == "" || s["Uid"] == "" {
		t.Errorf("this thread: %v, %v", s, err)
	}
}

func TestParseSlab(t *testing.T) {
	for text, want := range map[string]int{
		"Slab:  100 kB\nSReclaimable: 60 kB\nSUnreclaim: 40 kB\n": 40,
		"MemTotal: 1 kB\nSlab: 100 kB\n":                          100, // 2.6.18
	} {
		if got, err := parseSlab(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	if _, err := parseSlab("MemTotal: 1 kB\n"); err == nil {
		t.Error("none is found")
	}
}

func TestKeptObjects(t *testing.T) {
	const head = "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize>\n"
	before := parseObjects(head + "cred_jar  100 120 192 21 1 : tunables 0 0 0\ntask_struct 60 60 4000 8 8\ndentry 1000 1000 192\n")
	after := parseObjects(head + "cred_jar  260 273 192 21 1 : tunables 0 0 0\ntask_struct 90 96 4000 8 8\ndentry 2000 2000 192\n")
	if got := keptObjects(before, after, 200); got != "160 cred_jar" {
		t.Errorf("got %q", got)
	}
	if got := keptObjects(nil, nil, 200); got != "" {
		t.Errorf("without counts: %q", got)
	}
}
