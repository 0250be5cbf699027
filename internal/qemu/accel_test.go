// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/cache"
)

func TestBootSector(t *testing.T) {
	b := bootSector(0x11223344)
	if len(b) != 512 || b[510] != 0x55 || b[511] != 0xaa {
		t.Fatalf("%d bytes, ending in % x: no boot sector", len(b), b[len(b)-2:])
	}
	for _, want := range []string{"\x66\xb9\x44\x33\x22\x11", loopBegins + "\x00", loopEnds + "\x00"} {
		if strings.Count(string(b), want) != 1 {
			t.Errorf("it lacks %q", want)
		}
	}
	// The two places that take a string's address name where the strings are.
	for at, text := range map[int]string{7: loopBegins, 0x17: loopEnds} {
		addr := int(b[at]) | int(b[at+1])<<8
		if i := addr - 0x7c00; i < 0 || !strings.HasPrefix(string(b[max(i, 0):]), text) {
			t.Errorf("offset %#x points to %#x, not to %q", at, addr, text)
		}
	}
}

// tried is a machine on which the named accelerators answer as given.
type tried map[string]struct {
	loop time.Duration
	err  error
}

func (m tried) boot(_ context.Context, name string, _ time.Duration) (time.Duration, error) {
	return m[name].loop, m[name].err
}

func TestChoose(t *testing.T) {
	denied := errors.New("/dev/kvm cannot be opened: permission denied")
	tests := map[string]struct {
		kvmErr     error
		machine    tried
		name, says string
		slowdown   float64
	}{
		"kvm answers":   {nil, tried{"kvm": {loop: time.Second / 4}}, "kvm", "works", 0.25},
		"kvm hangs":     {nil, tried{"kvm": {err: errNoAnswer}, "tcg": {loop: 3 * time.Second}}, "tcg", "a boot under KVM fails: no answer", 3},
		"kvm refuses":   {nil, tried{"kvm": {err: errors.New("one\ntwo")}, "tcg": {loop: time.Second}}, "tcg", "one; two", 1},
		"no kvm":        {denied, tried{"kvm": {loop: 1}, "tcg": {loop: 2 * time.Second}}, "tcg", "permission denied", 2},
		"nothing works": {denied, tried{"tcg": {err: errNoAnswer}}, "", "not even under TCG", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, err := choose(t.Context(), tt.kvmErr, tt.machine.boot)
			if a.Name != tt.name || a.Slowdown != tt.slowdown || (err == nil) != (tt.name != "") {
				t.Errorf("got %+v, %v", a, err)
			}
			if said := a.Reason + fmt.Sprint(err); !strings.Contains(said, tt.says) || strings.Contains(a.Reason, "\n") {
				t.Errorf("it says %q, want %q", said, tt.says)
			}
		})
	}
}

// Ctrl-C while KVM hangs must not turn into a choice of TCG.
func TestChooseCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a, err := choose(ctx, nil, tried{"kvm": {err: context.Canceled}, "tcg": {loop: 1}}.boot)
	if !errors.Is(err, context.Canceled) || a != (Accel{}) {
		t.Errorf("got %+v, %v", a, err)
	}
}

// A QEMU that does not take -icount runs guests without, and its words are told.
func TestCount(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for _, tt := range []struct {
		script, says string
		want         bool
	}{
		{"exit 0", "", true},
		{"echo 'shift=auto is for guests' >&2; echo that sleep >&2; exit 1", "takes its time: shift=auto is for guests; that sleep", false},
		{"exit 1", "takes its time: run " + Program, false},
	} {
		if err := os.WriteFile(filepath.Join(dir, Program), []byte("#!/bin/sh\n"+tt.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		a := Accel{Name: "tcg", Reason: "no KVM"}
		err := a.count(t.Context())
		if err != nil || a.Icount != tt.want || !strings.HasPrefix(a.Reason, "no KVM") || !strings.Contains(a.Reason, tt.says) || strings.Contains(a.Reason, "\n") {
			t.Errorf("%s: %+v, %v", tt.script, a, err)
		}
	}
}

func TestOpenKVM(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "kvm")
	if err := openKVM(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(missing, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := openKVM(missing); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestRemember(t *testing.T) {
	asked := 0
	ask := func() (Accel, error) {
		asked++
		return Accel{Name: "tcg", Reason: "why", Slowdown: float64(asked)}, nil
	}
	get := func(c cache.Cache, key string, want int) {
		t.Helper()
		a, err := remember(c, key, ask)
		if err != nil || asked != want || a.Name != "tcg" || a.Reason != "why" || a.Slowdown != float64(want) {
			t.Errorf("asked %d times, want %d; got %+v, %v", asked, want, a, err)
		}
	}
	c := cache.Cache{Dir: t.TempDir()}
	get(c, "boot1", 1)
	get(c, "boot1", 1)
	get(cache.Cache{}, "boot1", 2)
	file := filepath.Join(c.Dir, "accel", "boot1", "accel.json")
	if err := os.WriteFile(file, []byte(`{"name`), 0o644); err != nil {
		t.Fatal(err)
	}
	get(c, "boot1", 3)
	get(c, "boot1", 3)

	if _, err := remember(c, "boot2", func() (Accel, error) { return Accel{}, errNoAnswer }); !errors.Is(err, errNoAnswer) {
		t.Errorf("got %v", err)
	}
	if _, ok := c.Get("accel", "boot2"); ok {
		t.Error("a failure was remembered")
	}
}

// The real thing: TCG boots and its loop is measured, the second answer is immediate.
func TestChooseAccel(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a guest")
	}
	c := cache.Cache{Dir: t.TempDir()}
	first, err := ChooseAccel(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", first)
	if first.Slowdown < 0.01 || first.Slowdown > 60 {
		t.Errorf("slowdown %v is no measurement", first.Slowdown)
	}
	if first.Name == "tcg" && !first.Icount {
		t.Errorf("no QEMU is known that refuses -icount %s: %s", icount, first.Reason)
	}
	start := time.Now()
	second, err := ChooseAccel(t.Context(), c)
	if err != nil || second != first {
		t.Errorf("second answer %+v, %v", second, err)
	}
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("the remembered answer took %v", d)
	}
	// Under TCG the boot sector works on every machine, also where KVM was chosen.
	loop, err := probe(t.Context(), "tcg", tcgPatience)
	if err != nil || loop <= 0 {
		t.Errorf("probe under TCG: %v, %v", loop, err)
	}
	if _, err := probe(t.Context(), "no-such-accelerator", tcgPatience); err == nil || !strings.Contains(err.Error(), "no-such-accelerator") {
		t.Errorf("probe under nonsense: %v", err)
	}
	if _, err := probe(t.Context(), "tcg", time.Millisecond); !errors.Is(err, errNoAnswer) {
		t.Errorf("probe without patience: %v", err)
	}
}
