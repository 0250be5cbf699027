// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func fileName(relative string) string { return string(appendFileName(nil, relative)) }

func encode(s string) string { return string(appendEncoded(nil, s)) }

func TestFileNames(t *testing.T) {
	sum := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return hex.EncodeToString(h[:])
	}
	long := "kernel/" + strings.Repeat("a", 247)  // 254 bytes encoded
	over := "kernel/" + strings.Repeat("a", 248)  // 255
	dashes := "kernel/" + strings.Repeat("-", 64) // 6+1+4*64
	for relative, want := range map[string]string{
		"vm/100":                      `vm-100`,
		"vm/100/2022-05-02T08:11:33Z": `vm-100-2022\x2d05\x2d02T08\x3a11\x3a33Z`,
		"vm/100/2022-05-02T08:11:33Z.index.json.lck": `vm-100-2022\x2d05\x2d02T08\x3a11\x3a33Z.index.json.lck`,
		"kernel/ovzkernel-PAE.i686":                  `kernel-ovzkernel\x2dPAE.i686`,
		".a/.b":                                      `\x2ea-.b`,
		`a\b/_c.D9`:                                  `a\x5cb-_c.D9`,
		"é/ ~+":                                      `\xc3\xa9-\x20\x7e\x2b`,
		long:                                         "kernel-" + strings.Repeat("a", 247),
		over:                                         "hashed/kernel-" + strings.Repeat("a", 73) + "..." + strings.Repeat("a", 80) + "-" + sum(over),
		dashes:                                       "hashed/kernel-" + strings.Repeat(`\x2d`, 64)[:73] + "..." + strings.Repeat(`\x2d`, 20) + "-" + sum(dashes),
	} {
		if got := fileName(relative); got != want {
			t.Errorf("%s:\n got %s\nwant %s", relative, got, want)
		}
	}
}

// Every length around the limit, whatever it takes to encode: the name must fit into a
// directory, and two paths must never share one.
func TestNamesFitAndDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, unit := range []string{"a", "-", "a-", ".", "+x"} {
		for n := range 300 {
			relative := "t/" + strings.Repeat(unit, n+1)
			name := fileName(relative)
			if base := filepath.Base(name); len(base) > 254 {
				t.Fatalf("%q has %d bytes", base, len(base))
			}
			if other, ok := seen[name]; ok && other != relative {
				t.Fatalf("%q and %q share %q", relative, other, name)
			}
			seen[name] = relative
		}
	}
}

func TestNamespaceDirectories(t *testing.T) {
	for joined, want := range map[string]string{
		"":              "",
		"ns1":           "ns1",
		"ns1/ns2/ns3":   "ns1:ns2:ns3",
		"vm-100":        `vm\x2d100`, // not the lock file of group vm/100
		"vm-100/vm-100": "vm-100:vm-100",
		"hashed":        `\x68ashed`, // not the hashed names' directory
		"hashed/a":      "hashed:a",
	} {
		var ns []string
		if joined != "" {
			ns = strings.Split(joined, "/")
		}
		if got := namespaceDir(ns); got != want {
			t.Errorf("%q: got %q, want %q", joined, got, want)
		}
	}
}

// A group, a namespace and a hashed name that look alike must be lockable side by side.
func TestTypedNamesDoNotCollide(t *testing.T) {
	l := testLocks(t)
	long := strings.Repeat("-", 100)
	groups := []Group{
		{Type: "vm", ID: "100"},
		{Namespace: []string{"vm-100"}, Type: "vm", ID: "100"},
		{Namespace: []string{"vm-100", "vm-100"}, Type: "vm", ID: "100"},
		{Namespace: []string{"hashed"}, Type: "vm", ID: "100"},
		{Type: "vm", ID: long},
		{Namespace: []string{"hashed"}, Type: "vm", ID: long},
	}
	for _, g := range groups {
		lock, err := l.Group(t.Context(), g)
		if err != nil {
			t.Fatalf("%+v: %v", g, err)
		}
		defer lock.Unlock()
	}
}

func TestParseTurnsPathsRound(t *testing.T) {
	for _, s := range []Snapshot{
		{Group: Group{Type: "vm", ID: "100"}},
		{Group: Group{Type: "kernel", ID: "ovz-PAE.i686"}, Time: "2022-05-02T08:11:33Z"},
		{Group: Group{Namespace: []string{"vm-100"}, Type: "vm", ID: "100"}},
		{Group: Group{Namespace: []string{"hashed"}, Type: "vm", ID: "100"}},
		{Group: Group{Namespace: []string{"a-b", "c"}, Type: "vm", ID: "1"}, Time: "2022-05-02T08:11:33Z"},
	} {
		relative := s.Type + "/" + s.ID
		if s.Time != "" {
			relative = s.relative()
		}
		file, _ := filepath.Rel("/r", path("/r", s.Namespace, relative))
		got, ok := parse(file)
		if !ok || !slices.Equal(got.Namespace, s.Namespace) || got.Type != s.Type || got.ID != s.ID || got.Time != s.Time {
			t.Errorf("%s: got %+v %v, want %+v", file, got, ok, s)
		}
	}
	for _, file := range []string{"hashed/x", "a", "a/b/c-d"} {
		if s, ok := parse(file); ok {
			t.Errorf("%s: got %+v", file, s)
		}
	}
}

// systemd-escape is the reference for everything but ':'.
func TestEncodeAgreesWithSystemd(t *testing.T) {
	if _, err := exec.LookPath("systemd-escape"); err != nil {
		if testing.Short() {
			t.Skip("no systemd-escape")
		}
		t.Fatal("no systemd-escape, the reference for names: install the package systemd")
	}
	r := rand.New(rand.NewPCG(1, 2))
	alphabet := []byte("aZ09_./-:\\ +~@%é\n\t\xff")
	args := []string{"vm/100/2022-05-02T08:11:33Z", ".a", "a", "-", "_", "."}
	for range 2000 {
		b := make([]byte, 1+r.IntN(40))
		for i := range b {
			if b[i] = alphabet[r.IntN(len(alphabet))]; r.IntN(4) == 0 {
				b[i] = byte(1 + r.IntN(255))
			}
		}
		args = append(args, string(b))
	}
	out, err := exec.Command("systemd-escape", append([]string{"--"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(string(out))
	if len(want) != len(args) {
		t.Fatalf("%d names for %d strings", len(want), len(args))
	}
	for i, s := range args {
		// encode writes no backslash but its own, so this only takes back ':'.
		if got := strings.ReplaceAll(encode(s), `\x3a`, ":"); got != want[i] {
			t.Errorf("%q: got %s, systemd-escape says %s", s, got, want[i])
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("vm/100/2022-05-02T08:11:33Z")
	f.Add(".\\x2d//")
	f.Fuzz(func(t *testing.T, s string) {
		enc := encode(s)
		if decode(enc) != s {
			t.Errorf("%q became %q became %q", s, enc, decode(enc))
		}
		if strings.ContainsAny(enc, "/:\x00\n ") || strings.HasPrefix(enc, ".") {
			t.Errorf("%q became %q", s, enc)
		}
	})
}
