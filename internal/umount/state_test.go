// SPDX-License-Identifier: Apache-2.0

package umount

import "testing"

func TestChangedState(t *testing.T) {
	stat := func(flags string) string { return "12 (a) b) R 1 1 1 0 -1 " + flags + " 100 0 0 0\n" }
	flags := func(n string) state {
		s, err := parseFlags(stat(n))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const status = "Name:\tagent\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\nvoluntary_ctxt_switches:\t5\n"
	for _, c := range []struct {
		before, after state
		want          string
	}{
		{flags("4194560"), flags("4194560"), ""},
		{flags("4194560"), flags("4202496"), ""},                                // used the floating point unit, and no privilege
		{flags("4194560"), flags("6291712"), "flags 0x400000 becomes 0x600000"}, // PF_KTHREAD
		{parseStatus(status), parseStatus(status + "Name:\tother\nvoluntary_ctxt_switches:\t6\n"), ""},
		{parseStatus(status), parseStatus("Uid:\t0\t1\t1\t1\nCapEff:\t0\n"), "CapEff 000001ffffffffff becomes 0, Uid 0 0 0 0 becomes 0 1 1 1"},
	} {
		if got := changedState(c.before, c.after); got != c.want {
			t.Errorf("%v, %v: got %q, want %q", c.before, c.after, got, c.want)
		}
	}
	nice := func(n string) string {
		s, err := parseFlags("12 (a) R 1 1 1 0 -1 64 100 0 0 0 1 1 0 0 20 " + n + " 1 0 5\n")
		if err != nil {
			t.Fatal(err)
		}
		return s["nice"]
	}
	if nice("0") != "0" || nice("19") != "19" {
		t.Errorf("niceness %s and %s", nice("0"), nice("19"))
	}
	for _, bad := range []string{"", "1 (a) R 1", "1 (a) R 1 1 1 0 -1 x 1"} {
		if _, err := parseFlags(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if s, err := callerFlags(); err != nil || s["flags"] == "" {
		t.Errorf("this thread's flags: %v, %v", s, err)
	}
	if s, err := callerState(); err != nil || s["Uid"] == "" || s["Umask"] == "" {
		t.Errorf("this thread: %v, %v", s, err)
	}
}

// The mount that a path leads to is the one on top.
func TestMountOptions(t *testing.T) {
	const table = "none /a tmpfs rw 0 0\nprobe /a/b lustre rw,relatime 0 0\nprobe /a/b lustre rw,nosuid 0 0\nodd\n"
	for path, want := range map[string]string{"/a": "rw", "/a/b": "rw,nosuid", "/c": ""} {
		if got := mountOptions(table, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// What the calls changed of their caller may have been changed since the agent began.
func TestChangedSinceTheAgentBegan(t *testing.T) {
	if s, err := mountState("/proc"); err != nil || s["mount"] == "" {
		t.Errorf("/proc is mounted: %v, %v", s, err)
	}
	start, now := parseStatus("Umask:\t0022\nCapEff:\t0\n"), parseStatus("Umask:\t0777\nCapEff:\t0\n")
	if got := changedState(start, now); got != "Umask 0022 becomes 0777" {
		t.Errorf("%q", got)
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
	before := parseObjects(head + "cred_jar  100 120 192 21 1 : tunables 0 0 0\ntask_struct 60 60 4000 8 8\ndentry 1000 1000 192 21 1\npage_beancounter 4000 4004 40 77 1\nkmalloc-cg-16 512 512 16 256 1\n")
	after := parseObjects(head + "cred_jar  260 273 192 21 1 : tunables 0 0 0\ntask_struct 90 96 4000 8 8\ndentry 2000 2000 192 21 1\npage_beancounter 5656 5698 40 77 1\nkmalloc-cg-16 768 768 16 256 1\n")
	if got := keptObjects(before, after, 200); got != "160 cred_jar" {
		t.Errorf("got %q", got)
	}
	if got := keptObjects(nil, nil, 200); got != "" {
		t.Errorf("without counts: %q", got)
	}
}

// Where the machine is slow an umount takes long without a flood, too.
func TestKeptWaiting(t *testing.T) {
	for _, c := range []struct{ alone, beside, want int64 }{{0, 50, 50}, {1, 50, 46}, {60, 240, 0}, {60, 100, 0}, {0, 0, 0}} {
		if got := keptWaiting(c.alone, c.beside); got != c.want {
			t.Errorf("alone %d, beside a flood %d: waits %d, want %d", c.alone, c.beside, got, c.want)
		}
	}
}
