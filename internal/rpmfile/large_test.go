// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const largeSpec = `
%global debug_package %{nil}
%define __os_install_post %{nil}
AutoReqProv: no
Name: kernel-large
Version: 1
Release: 1
Summary: A file that cpio cannot hold
License: GPLv2
%description
A sample.
%install
mkdir -p %{buildroot}/boot
truncate -s 4100M %{buildroot}/boot/vmcore
echo small > %{buildroot}/boot/small
%files
/boot
`

// rpm itself writes the stripped archive once a file has more than 4 GiB.
func TestFileOfMoreThanFourGigabytes(t *testing.T) {
	if testing.Short() {
		t.Skip("writes gigabytes")
	}
	top := t.TempDir()
	spec := filepath.Join(top, "large.spec")
	if err := os.WriteFile(spec, []byte(largeSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("rpmbuild", "-bb", "--nodeps", "--define", "_topdir "+top, "--define", "_dbpath "+top,
		"--define", "_binary_payload w0.xzdio", spec)
	cmd.Env = append(os.Environ(), "HOME="+top)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rpmbuild: %v\n%s", err, out)
	}
	list, _ := filepath.Glob(filepath.Join(top, "RPMS", "*", "*.rpm"))
	if len(list) != 1 {
		t.Fatalf("%d packages", len(list))
	}
	// Zeros compress better than any kernel does.
	limits := DefaultLimits
	limits.Ratio = 1 << 20
	f, err := OpenWithin(t.Context(), list[0], limits)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if e, ok := f.Find("/boot/vmcore"); !ok || e.Size != 4100<<20 {
		t.Errorf("got %+v", e)
	}
	got, err := f.ReadFiles(t.Context(), "/boot/small")
	if err != nil || string(got["/boot/small"]) != "small\n" {
		t.Errorf("got %q, %v", got, err)
	}
	seen := int64(0)
	err = f.walk(t.Context(), func(i int, content io.Reader) error {
		if f.Files[i].Name != "/boot/vmcore" {
			return nil
		}
		n, err := io.Copy(io.Discard, content)
		seen = n
		return err
	})
	if err != nil || seen != 4100<<20 {
		t.Errorf("read %d bytes, %v", seen, err)
	}
	small, err := Open(t.Context(), list[0])
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	if _, err := small.Verify(t.Context(), ""); err == nil {
		t.Error("a payload that unpacks to thousands of times its size passed the default limits")
	}
}
