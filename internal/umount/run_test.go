// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/kmsg"
)

type scriptedLog [][]kmsg.Record

func (l *scriptedLog) Since() ([]kmsg.Record, error) {
	if len(*l) == 0 {
		return nil, nil
	}
	first := (*l)[0]
	*l = (*l)[1:]
	return first, nil
}

// What the kernel says while no case runs counts as well, but only when it is trouble.
func TestTroubleBetweenCases(t *testing.T) {
	for text, bad := range map[string]bool{
		"WARNING: at kernel/ve/vecalls.c:1234":                                                         true,
		"Forced umount of lustre fs is not allowed inside container (999). Overriding MNT_FORCE flag.": false,
		"device veth0 left promiscuous mode":                                                           false,
	} {
		r := Runner{Log: &scriptedLog{{{Text: text}}}}
		_, err := r.Run(t.Context(), nil, func(guest.Result) error { return nil })
		if (err != nil) != bad || bad && !strings.Contains(err.Error(), text) {
			t.Errorf("after the last case %q: %v", text, err)
		}
	}
}

// What a loaded machine may show once is looked for again; what the kernel said of umounts is not.
func TestPerhapsElsewhere(t *testing.T) {
	for _, c := range []struct {
		got   guest.Seen
		again bool
	}{
		{guest.Seen{}, false},
		{guest.Seen{Odd: "random: crng init done"}, true},
		{guest.Seen{Odd: "umount by sh"}, false},
		{guest.Seen{Waited: waitLimit + 1}, true},
		{guest.Seen{Slower: slowLimit + 1}, true},
		{guest.Seen{Waited: waitLimit, Slower: slowLimit, Grown: grownLimit + 1}, false},
	} {
		if perhapsElsewhere(c.got) != c.again {
			t.Errorf("%+v: again is not %v", c.got, c.again)
		}
	}
}

// noFilesystem is one that nobody mounts.
type noFilesystem struct{ Filesystem }

func (noFilesystem) Live() (int, error) { return 0, nil }

// When all was tried, memory that is kept is the last case's.
func TestLeaveLooksForLeaks(t *testing.T) {
	const said = "kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"
	for text, want := range map[string]string{"": "", said: "keeps memory, the kernel says: " + said} {
		f, err := os.OpenFile(filepath.Join(t.TempDir(), "kmemleak"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r := Runner{Log: &scriptedLog{{{Text: text}}}, Filesystem: noFilesystem{}, Leaks: &Leaks{f: f}}
		got := r.leave(guest.Result{})
		if got.Why != want || (got.Verdict == guest.Faulty) != (want != "") {
			t.Errorf("the kernel says %q: %s, %q", text, got.Verdict, got.Why)
		}
		// What stands in for kmemleak keeps what it was told.
		if len(got.Log) != 1 || got.Log[0] != "scanscan" {
			t.Errorf("it was told %q, and what it holds is to be in the log", got.Log)
		}
	}
}
