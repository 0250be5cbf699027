// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/qemu"
)

// emptyArchive is a cpio archive of nothing but its last entry.
var emptyArchive = []byte("070701" + strings.Repeat("0", 4*8) + "00000001" + strings.Repeat("0", 6*8) + "0000000b" + strings.Repeat("0", 8) + "TRAILER!!!\x00\x00\x00\x00")

// A guest that ends without a word on a machine without ACPI and PCI is booted once more with them.
// What it says after its first word is its own.
func TestSpareMachine(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, b []byte, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	said := func(release string, events ...guest.Event) []byte {
		var b bytes.Buffer
		enc := guest.NewEncoder(&b)
		for _, e := range append([]guest.Event{{Hello: &guest.Hello{Release: release}}}, events...) {
			if err := enc.Encode(e); err != nil {
				t.Fatal(err)
			}
		}
		return b.Bytes()
	}
	done := guest.Event{Done: &guest.Done{Verdict: guest.Protected}}
	boots := filepath.Join(dir, "boots")
	put("qemu/"+qemu.Program, []byte(`#!/bin/sh
here=`+dir+`
echo boots >&3
case "$*" in *acpi=off*) m=spare;; *pci=off*) m=old;; *) m=full;; esac
echo $m >>$here/boots
[ $m = full ] || m=spare
cat $here/$m >&4
`), 0o755)
	t.Setenv("PATH", filepath.Join(dir, "qemu")+":"+os.Getenv("PATH"))
	put("home/guest/amd64/umounttest", nil, 0o755)
	put("home/guest/amd64/uroot.cpio", emptyArchive, 0o644)
	put("home/guest/amd64/umounttest-old", nil, 0o755)
	put("home/guest/amd64/uroot-old.cpio", emptyArchive, 0o644)
	put("modules/modules.dep", nil, 0o644)
	put("boots", nil, 0o644)
	for name, tt := range map[string]struct {
		release     string
		spare, full []byte
		want        string // the machines in turn
		fails       bool
	}{
		"spare":              {"6.1.1", said("6.1.1", done), nil, "spare", false},
		"without a word":     {"6.1.1", nil, said("6.1.1", done), "spare full", false},
		"nowhere":            {"6.1.1", nil, nil, "spare full", true},
		"after a first word": {"6.1.1", said("6.1.1"), said("6.1.1", done), "spare", true},
		"2.6.32":             {"2.6.32-042stab113.5", said("2.6.32-042stab113.5", done), nil, "old", false},
		"3.10":               {"3.10.0", nil, said("3.10.0", done), "old full", false},
		"another old kernel": {"2.6.18", nil, said("2.6.18", done), "full", false},
		"one of no test":     {"4.18.0", nil, said("4.18.0", done), "full", false},
	} {
		put("spare", tt.spare, 0o644)
		put("full", tt.full, 0o644)
		if err := os.Truncate(boots, 0); err != nil {
			t.Fatal(err)
		}
		k := &Kernel{
			Kernel: &kernelrpm.Kernel{Release: tt.release, Arch: "x86_64", Modules: filepath.Join(dir, "modules"), Image: "/k"},
			Probe:  put("probe.ko", []byte("probe"), 0o644),
		}
		o := Options{
			Cache: cache.Cache{Dir: t.TempDir()}, Home: filepath.Join(dir, "home"), LogDir: filepath.Join(dir, "logs"),
			Report: job.Quiet{}, Accel: qemu.Accel{Name: "tcg", Icount: true, Slowdown: 1},
		}
		got, err := Run(t.Context(), Trial{Kernel: k}, o)
		if (err != nil) != tt.fails || !tt.fails && got.Verdict != guest.Protected {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		b, err := os.ReadFile(boots)
		if err != nil {
			t.Fatal(err)
		}
		if machines := strings.Join(strings.Fields(string(b)), " "); machines != tt.want {
			t.Errorf("%s: boots %q, want %q", name, machines, tt.want)
		}
	}
}
