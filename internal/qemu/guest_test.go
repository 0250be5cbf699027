// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	"ovzpatch/internal/cache"
)

// testKernel is the bzImage to boot. Whoever runs the long tests names it.
func testKernel(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a guest")
	}
	kernel := os.Getenv("OVZPATCH_TEST_KERNEL")
	if kernel == "" {
		t.Fatal("OVZPATCH_TEST_KERNEL must name a bzImage that takes an initramfs; `make test` sets it")
	}
	return kernel
}

// testAccel is asked once for all tests.
var testAccel = sync.OnceValues(func() (Accel, error) {
	dir, err := os.MkdirTemp("", "ovzpatch-accel-")
	if err != nil {
		return Accel{}, err
	}
	defer os.RemoveAll(dir)
	return ChooseAccel(context.Background(), cache.Cache{Dir: dir})
})

// testInit is the static program of testdata/init, built once.
var testInit = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "ovzpatch-init-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "init"), "./testdata/init")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "init"))
})

// testInitrd writes an initramfs whose /init is init.
func testInitrd(t *testing.T, init []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "initrd")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := cpio.Newc.Writer(f)
	for _, r := range []cpio.Record{
		cpio.Directory("dev", 0o755),
		cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.CharDev("dev/ttyS1", 0o600, 4, 65),
		cpio.StaticFile("init", string(init), 0o755),
	} {
		if err := w.WriteRecord(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := cpio.WriteTrailer(w); err != nil {
		t.Fatal(err)
	}
	return name
}

// testMachine is a machine whose init does act.
func testMachine(t *testing.T, act string) Machine {
	t.Helper()
	kernel := testKernel(t)
	accel, err := testAccel()
	if err != nil {
		t.Fatal(err)
	}
	init, err := testInit()
	if err != nil {
		t.Fatal(err)
	}
	return Machine{
		Arch: "x86_64", Accel: accel, Kernel: kernel, MemoryMiB: 256,
		Initrd: testInitrd(t, init), Append: []string{"act=" + act},
		ConsoleLog: filepath.Join(t.TempDir(), "console.log"),
	}
}
