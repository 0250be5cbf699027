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
	} {
		if got, why, _ := Judge(force, Open, tt.seen); got != tt.want {
			t.Errorf("%s: got %s (%s), want %s", name, got, why, tt.want)
		}
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
