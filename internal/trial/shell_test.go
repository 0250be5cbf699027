// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/job"
	"ovzpatch/internal/qemu"
)

func TestReadScript(t *testing.T) {
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	io.WriteString(w, "first\nexit 7")
	w.Close()
	if got, err := readScript(t.Context(), job.Quiet{}, in); err != nil || string(got) != "first\nexit 7" {
		t.Errorf("pipe: %q, %v", got, err)
	}
	for name, want := range map[string]string{os.DevNull: "", "/dev/zero": "more than", "/": "is a directory"} {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readScript(t.Context(), job.Quiet{}, f)
		f.Close()
		if want == "" && (err != nil || got == nil || len(got) != 0) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %d bytes, nil %t, %v", name, len(got), got == nil, err)
		}
	}
}

// A writer that never ends must not keep Ctrl-C from ending the wait.
func TestReadScriptCancelled(t *testing.T) {
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := readScript(ctx, job.Quiet{}, in); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestConsoleEnd(t *testing.T) {
	const lost = -1 // there is no status
	const line = "umounttest: the shell ended with status "
	for _, tt := range []struct {
		console string
		script  bool
		want    int
	}{
		{"hello\r\n\r\n" + line + "0\r\n", true, 0},
		{"hello\r\n\r\n" + line + "7\r\n[ 3.1] reboot: Restarting system\r\n", true, 7},
		{"\r\n" + line + "7\r\n", false, 7},
		{line + "0\r\nthe script says so\r\n\r\n" + line + "137\r\n", true, 137},
		{strings.Repeat("x\r\n", 9000) + line + "7\r\n", true, 7},
		{"Kernel panic - not syncing\r\n", true, lost},
		{"echo " + line + "0\r\n", true, lost},
		{line + "999\r\n", true, lost},
		{"left with the keys", false, 0},
	} {
		var out bytes.Buffer
		e := console{w: &out}
		for _, b := range []byte(tt.console) {
			e.Write([]byte{b})
		}
		err := e.end(tt.script)
		var status ExitStatus
		switch {
		case tt.want == lost && (err == nil || errors.As(err, &status)), tt.want == 0 && err != nil, tt.want > 0 && (!errors.As(err, &status) || int(status) != tt.want):
			t.Errorf("%.60q: %v, want %d", tt.console, err, tt.want)
		}
		if out.String() != tt.console {
			t.Errorf("the console came through as %.60q", out.String())
		}
	}
}

func TestHardware(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		h    Hardware
		want string // "" for none
	}{
		{Hardware{Memory: "128", CPUs: 1}, ""},
		{Hardware{Memory: "2G", CPUs: 255, Share: dir, Write: true}, ""},
		{Hardware{Memory: "127M", CPUs: 1}, "--memory=127M: it must be from 128M to 1024G"},
		{Hardware{Memory: "2GM", CPUs: 1}, "--memory"},
		{Hardware{Memory: "G", CPUs: 1}, "--memory"},
		{Hardware{Memory: "1025G", CPUs: 1}, "--memory"},
		{Hardware{Memory: "512M"}, "--cpus=0: it must be from 1 to 255"},
		{Hardware{Memory: "512M", CPUs: 1, Write: true}, "add --share=DIR"},
		{Hardware{Memory: "512M", CPUs: 1, Share: dir + "/no"}, "--share: "},
		{Hardware{Memory: "512M", CPUs: 1, Livepatch: dir}, "--livepatch: "},
		// This program is no kernel module.
		{Hardware{Memory: "512M", CPUs: 1, Livepatch: os.Args[0]}, "--livepatch: read module "},
	} {
		err := tt.h.Check()
		if (tt.want == "") != (err == nil) || err != nil && (!errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v, want %q", tt.h, err, tt.want)
		}
	}
	m := qemu.Machine{}
	h := Hardware{Memory: "2G", CPUs: 3, Args: []string{"-x"}, GDB: 1234}
	if err := h.apply(&m); err != nil || m.MemoryMiB != 2048 || m.CPUs != 3 || strings.Join(m.Extra, " ") != "-x -gdb tcp:127.0.0.1:1234 -S" || !slices.Equal(m.Append, []string{"nokaslr"}) {
		t.Errorf("%+v, %v", m, err)
	}
}

// The verdict on a part of the cases is no proof.
func TestCheckWhole(t *testing.T) {
	for _, o := range []Options{{Cases: "x"}, {Containers: []string{"ve"}}} {
		if err := o.CheckWhole(); !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), "leave it out") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if err := new(Options).CheckWhole(); err != nil {
		t.Error(err)
	}
}
