// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/kmsg"
)

func TestForLustreLeavesOutWhatTakesTheProbe(t *testing.T) {
	kept, left := ForLustre(Cases())
	for _, name := range []string{"force-lustre-tgt", "force-other-type", "force-flood", "force-flood-threads", "host-flood", "host-flood-threads", "nothing-left"} {
		if !slices.Contains(left, name) {
			t.Errorf("%s is not left out", name)
		}
	}
	if len(kept)+len(left) != len(Cases()) {
		t.Errorf("%d kept and %d left out of %d", len(kept), len(left), len(Cases()))
	}
	for _, c := range kept {
		if !c.Uncounted || c.Type != "lustre" {
			t.Errorf("%s: counted, or of type %s", c.Name, c.Type)
		}
	}
}

// Lustre counts no calls and limits its INACTIVE lines; what everybody sees afterwards
// has to do.
func TestJudgeUncounted(t *testing.T) {
	kept, _ := ForLustre(Cases())
	force := kept[slices.IndexFunc(kept, func(c Case) bool { return c.Name == "force-busy" })]
	harmed := guest.Seen{Errno: "EBUSY", Host: down, Held: down, Peer: down, Mounted: true}
	kind := guest.Seen{Errno: "EBUSY", Messages: 1, ID: "7", Want: "7", Host: "0", Held: "0", Peer: "0", Mounted: true}
	with := func(s guest.Seen, change func(*guest.Seen)) guest.Seen {
		change(&s)
		return s
	}
	for name, tt := range map[string]struct {
		seen guest.Seen
		want guest.Verdict
	}{
		"all lines swallowed":     {harmed, guest.Vulnerable},
		"a line of each target":   {with(harmed, func(s *guest.Seen) { s.Inactive = 3 }), guest.Vulnerable},
		"no harm":                 {kind, guest.Protected},
		"a line though protected": {with(kind, func(s *guest.Seen) { s.Inactive = 1 }), guest.Faulty},
		"the peer shut out":       {with(kind, func(s *guest.Seen) { s.Peer = down }), guest.Faulty},
		"as 2.8 does it":          {with(harmed, func(s *guest.Seen) { s.Host, s.Peer, s.Held = "EIO", "EIO", "EOF" }), guest.Vulnerable},
		"the peer spared":         {with(harmed, func(s *guest.Seen) { s.Peer = "0" }), guest.Faulty},
		"another errno":           {with(harmed, func(s *guest.Seen) { s.Host = "EROFS" }), guest.Faulty},
		"2.8's peer shut out":     {with(kind, func(s *guest.Seen) { s.Peer = "EIO" }), guest.Faulty},
	} {
		if got, why, _ := Judge(force, Open, tt.seen); got != tt.want {
			t.Errorf("%s: got %s (%s), want %s", name, got, why, tt.want)
		}
	}
	// The probe answers in one way alone.
	probes := Cases()
	force = probes[slices.IndexFunc(probes, func(c Case) bool { return c.Name == "force-busy" })]
	seen := with(harmed, func(s *guest.Seen) { s.Forced, s.Inactive = 1, 1 })
	if got, why, _ := Judge(force, Open, seen); got != guest.Vulnerable {
		t.Errorf("the probe: got %s (%s)", got, why)
	}
	seen.Host = "EIO"
	if got, _, _ := Judge(force, Open, seen); got != guest.Faulty {
		t.Errorf("the probe with EIO: got %s", got)
	}
}

// What Lustre tells of its own troubles says nothing of the port; what others tell does.
func TestOddOfLustre(t *testing.T) {
	for text, want := range map[string]bool{
		"LustreError: 1:0:(llite_lib.c:1766:ll_statfs_internal()) obd_statfs fails: rc = -5": false,
		"Lustre: Skipped 3 previous similar messages":                                        false,
		"LNetError: 12:0:(lib-move.c:1:f()) no route":                                        false,
		"LNet: Added LNI 10.0.0.2@tcp [8/256/0/180]":                                         false,
		"umount of Lustre: by sh":                                                            true,
		"Lustrex: else":                                                                      true,
	} {
		records := []kmsg.Record{{Text: text}}
		if got := odd(records, true); (got != "") != want {
			t.Errorf("%q: got %q", text, got)
		}
		if odd(records, false) == "" {
			t.Errorf("%q is not odd of the probe", text)
		}
	}
}

// 2.8's first answer to whoever is shut out is EIO.
func TestOverallOfLustre(t *testing.T) {
	result := guest.Result{Backend: "ve", Verdict: guest.Vulnerable, Got: guest.Seen{Host: "EIO"}}
	if got := Overall([]guest.Result{result}, map[string]Gate{"ve": VE}); got != guest.Vulnerable {
		t.Errorf("got %s", got)
	}
}

// The helper tells why by its exit status alone.
func TestNoServers(t *testing.T) {
	for status, want := range map[string]bool{"110": true, "2": false} {
		err := exec.CommandContext(t.Context(), "sh", "-c", "exit "+status).Run()
		if got := noServers(err); (got != "") != want {
			t.Errorf("exit status %s: %q", status, got)
		}
	}
}

func TestEvidenceOfLustre(t *testing.T) {
	var seen guest.Seen
	evidence([]kmsg.Record{
		{Text: "Lustre: setting import lustre-MDT0000_UUID INACTIVE by administrator request"},
		{Text: "Lustre: setting import lustre-OST0000_UUID INACTIVE by administrator request"},
		{Text: "Lustre: Skipped 1 previous similar message"},
	}, &seen)
	if seen.Inactive != 2 {
		t.Errorf("%d INACTIVE lines, want 2", seen.Inactive)
	}
}

func TestPopulateTwice(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if err := populate(dir); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := os.Stat(filepath.Join(dir, dirName)); err != nil || !st.IsDir() {
		t.Errorf("no directory: %v", err)
	}
	if err := use(dir); err != nil {
		t.Errorf("not usable: %v", err)
	}
}
