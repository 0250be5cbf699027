// SPDX-License-Identifier: Apache-2.0

package rpmfile_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"ovzpatch/internal/rpmfile"
)

// Every digest is verified before a file of the package is used.
func Example() {
	if err := readOne(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// greeting-1.0-1.noarch: the digests of header, payload and files are correct
	// /usr/share/greeting: hello
}

func readOne(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := rpmbuild(ctx, dir); err != nil {
		return err
	}
	f, err := rpmfile.Open(ctx, filepath.Join(dir, "noarch/greeting-1.0-1.noarch.rpm"))
	if err != nil {
		return err
	}
	defer f.Close()
	// The second argument is a file of the signers' public keys; without one, nothing is said
	// about who made the package.
	if _, err := f.Verify(ctx, ""); err != nil {
		return err
	}
	fmt.Println(f.NEVRA() + ": the digests of header, payload and files are correct")
	files, err := f.ReadFiles(ctx, "/usr/share/greeting")
	for name, content := range files {
		fmt.Printf("%s: %s", name, content)
	}
	return err
}

func rpmbuild(ctx context.Context, dir string) error {
	const spec = `Name: greeting
Version: 1.0
Release: 1
Summary: A greeting
License: Apache-2.0
BuildArch: noarch
%description
%install
mkdir -p %{buildroot}/usr/share
echo hello >%{buildroot}/usr/share/greeting
%files
/usr/share/greeting
`
	path := filepath.Join(dir, "greeting.spec")
	if err := os.WriteFile(path, []byte(spec), 0o644); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, "--define", "_rpmdir "+dir, path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
