// SPDX-License-Identifier: Apache-2.0

package gooverlay

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func goroot(t *testing.T) string {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// program uses what the overlay changes; here it runs on a new kernel, which has the
// old calls as well.
const program = `package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		b := make([]byte, 1)
		f := os.NewFile(3, "pipe")
		f.Read(b)
		fmt.Printf("child %s", b)
		return
	}
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(os.Args[0], "child")
	cmd.ExtraFiles = []*os.File{r}
	time.AfterFunc(10*time.Millisecond, func() { w.Write([]byte("x")) })
	out, err := cmd.CombinedOutput()
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() { time.Sleep(time.Millisecond) })
	}
	wait.Wait()
	polled, _, err2 := os.Pipe()
	if err2 != nil {
		panic(err2)
	}
	polled.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, late := polled.Read(make([]byte, 1))
	fmt.Println(string(out), err, late)
}
`

func TestProgramsBuiltWithIt(t *testing.T) {
	overlay, err := Write(goroot(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "386"} {
		t.Run(arch, func(t *testing.T) {
			if testing.Short() && arch != "amd64" {
				t.Skip("compiles a runtime")
			}
			exe := filepath.Join(dir, arch)
			build := exec.Command("go", "build", "-overlay", overlay, "-o", exe, filepath.Join(dir, "main.go"))
			build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			out, err := exec.CommandContext(ctx, exe).CombinedOutput()
			if want := "child x <nil> read |0: i/o timeout\n"; err != nil || string(out) != want {
				t.Errorf("got %q, %v; want %q", out, err, want)
			}
		})
	}
}

// A toolchain that is not as expected must give an error that names every file, and no
// overlay: with half of one a program would hang on the old kernel only.
func TestWriteRefusesAnotherToolchain(t *testing.T) {
	for name, spoil := range map[string]func(string) string{
		"text gone":   func(s string) string { return strings.ReplaceAll(s, "SYS_DUP3", "SYS_DUP4") },
		"text twice":  func(s string) string { return s + "\n// Implemented in runtime package.\n" },
		"another use": func(s string) string { return s + "\nfunc f() { x, y, z := RawSyscall(SYS_DUP3,\n1, 2, 3) }\n" },
		"no Go":       func(s string) string { return s + "\nfunc {\n" },
		"empty":       func(string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			root, dir := t.TempDir(), t.TempDir()
			for _, c := range changes {
				b, err := os.ReadFile(filepath.Join(goroot(t), "src", c.file))
				if err != nil {
					t.Fatal(err)
				}
				text := string(b)
				if c.file == "syscall/exec_linux.go" {
					text = spoil(text)
				}
				path := filepath.Join(root, "src", c.file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Write(root, dir)
			if err == nil || !strings.Contains(err.Error(), "change syscall/exec_linux.go: ") {
				t.Errorf("got %v", err)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("wrote %v", left)
			}
		})
	}
}

func TestWriteNamesEveryFile(t *testing.T) {
	_, err := Write(t.TempDir(), filepath.Join(t.TempDir(), "none"))
	for _, c := range changes {
		if err == nil || !strings.Contains(err.Error(), "change "+c.file) {
			t.Errorf("%s: got %v", c.file, err)
		}
	}
}

func TestOverlayReplacesWhatChanges(t *testing.T) {
	root := goroot(t)
	overlay, err := Write(root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(overlay)
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Replace map[string]string }
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		text, err := os.ReadFile(list.Replace[filepath.Join(root, "src", c.file)])
		if err != nil {
			t.Fatal(err)
		}
		if left := c.gone.Find(text); left != nil {
			t.Errorf("%s still has %s", c.file, left)
		}
	}
	if len(list.Replace) != len(changes) {
		t.Errorf("replaces %d files, want %d", len(list.Replace), len(changes))
	}
}
