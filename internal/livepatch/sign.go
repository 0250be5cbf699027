// SPDX-License-Identifier: Apache-2.0

package livepatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
	"ovzpatch/internal/preflight"
)

// Signing is what a module is signed with.
type Signing struct {
	Key  string // file with the private key, or a PKCS#11 URI; "" for a module without signature
	Cert string // file with the certificate of that key
}

// Check tells which of the files that are named is missing.
func (s Signing) Check() error {
	var err error
	for _, path := range s.files() {
		err = errors.Join(err, preflight.File("", path))
	}
	return err
}

// files are those that must be there.
func (s Signing) files() []string {
	if strings.HasPrefix(s.Key, "pkcs11:") {
		return []string{s.Cert}
	}
	return []string{s.Key, s.Cert}
}

// signed returns the module with its signature, if one is wanted; path is a file for that.
func (o Options) signed(ctx context.Context, c config, tree string, module []byte, path string) ([]byte, error) {
	if o.Sign.Key == "" {
		return module, nil
	}
	if err := os.WriteFile(path, module, 0o644); err != nil {
		return nil, err
	}
	if err := o.Sign.sign(ctx, c, tree, path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// sign signs the module at path by the kernel's own program, which a kernel's build tree has where the
// kernel knows signatures.
func (s Signing) sign(ctx context.Context, c config, tree, path string) error {
	program := filepath.Join(tree, "scripts", "sign-file")
	if _, err := os.Stat(program); err != nil {
		return job.BadRequest(fmt.Errorf("sign the module: %w: a kernel without CONFIG_MODULE_SIG has no such program, and takes modules as they are", err))
	}
	for _, file := range []*string{&s.Key, &s.Cert} {
		if strings.HasPrefix(*file, "pkcs11:") {
			continue
		}
		var err error
		if *file, err = filepath.Abs(*file); err != nil {
			return err
		}
	}
	// What the kernel's own modules are signed with is what the kernel can check.
	hash := "sha256"
	if m := regexp.MustCompile(`(?m)^CONFIG_MODULE_SIG_HASH="([a-z0-9-]+)"$`).FindStringSubmatch(string(c)); m != nil {
		hash = m[1]
	}
	if err := command.Run(ctx, command.Cmd{Args: []string{program, hash, s.Key, s.Cert, path}}); err != nil {
		return fmt.Errorf("sign the module with %s and %s: %w", s.Key, s.Cert, err)
	}
	return nil
}
