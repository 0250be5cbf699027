// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"

	"ovzpatch/internal/command"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/scratch"
)

// signAtOnce is how many packages one rpmsign or rpmkeys gets.
const signAtOnce = 32

// sign signs the new packages, and has rpmkeys look at each with nothing but the public key.
func (s *stage) sign(ctx context.Context) (err error) {
	if len(s.fresh) == 0 {
		return nil
	}
	s.u.Say("signing %d packages with key %s", len(s.fresh), s.key.fingerprint)
	dir, remove, err := scratch.New("", "keys")
	if err != nil {
		return err
	}
	defer leave(dir, remove, &err)
	db, err := s.keyDatabase(ctx, dir)
	if err != nil {
		return err
	}
	verifies, err := rpmsignVerifies(ctx)
	if err != nil {
		return err
	}
	// No more at a time than each processor has to do.
	size := min(signAtOnce, (len(s.fresh)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	chunks := slices.Collect(slices.Chunk(s.fresh, size))
	return parallel(ctx, len(chunks), func(ctx context.Context, i int) error {
		var paths []string
		for _, n := range chunks[i] {
			paths = append(paths, filepath.Join(s.repo(s.rec.Profiles[0]), s.rec.Packages[n].Path))
		}
		if err := s.key.addSign(ctx, dir, paths); err != nil {
			return fmt.Errorf("sign packages: %w", err)
		}
		// Digests of the payload are verified once, as that is most of the work: rpmsign does so before it signs, and
		// what it left is compared with what it was given.
		var headers, all []string
		for j, n := range chunks[i] {
			p := s.rec.Packages[n]
			payload, err := s.onlySigned(ctx, p, paths[j])
			if err != nil {
				return fmt.Errorf("look at what rpmsign made of %s: %w", p.File, err)
			}
			if payload || !verifies {
				all = append(all, paths[j])
			} else {
				headers = append(headers, paths[j])
			}
			// The metadata has it, and shall be the same for the same packages.
			if err := os.Chtimes(paths[j], p.Time, p.Time); err != nil {
				return err
			}
		}
		if err := checkSigned(ctx, db, headers, "--define", "_pkgverify_flags "+withoutPayload); err != nil {
			return err
		}
		return checkSigned(ctx, db, all)
	})
}

// nobodys is the environment of a program that uses rpm: with a home directory without macros. A
// user's own (~/.rpmmacros) could turn signing and verifying into anything. Temporary files of one that is
// killed go with home.
func nobodys(home string) []string {
	return []string{"HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, ".config"), "LC_ALL=C", "TMPDIR=" + home}
}

// keyDatabase makes an rpm database that knows the public key and no other.
func (s *stage) keyDatabase(ctx context.Context, dir string) (string, error) {
	db, key := filepath.Join(dir, "db"), filepath.Join(dir, "key")
	if err := os.WriteFile(key, s.key.public, 0o644); err != nil {
		return "", err
	}
	if err := command.Run(ctx, command.Cmd{Args: []string{"rpmkeys", "--dbpath", db, "--import", key}, Env: nobodys(dir)}); err != nil {
		return "", fmt.Errorf("give the public key to rpm: %w", err)
	}
	return db, nil
}

// withoutPayload makes rpmkeys read no payload: RPMVSF_NEEDPAYLOAD, with which rpm itself reads the header of a package
// before it installs it. Digests and signatures of the header must still be there and be good.
const withoutPayload = "2"

// checkSigned has rpm verify digests and signatures, both of which must be there.
func checkSigned(ctx context.Context, db string, paths []string, more ...string) error {
	if len(paths) == 0 {
		return nil
	}
	args := append([]string{"rpmkeys", "--dbpath", db, "--define", "_pkgverify_level all"}, more...)
	args = append(append(args, "--checksig"), paths...)
	if err := command.Run(ctx, command.Cmd{Args: args, Env: nobodys(filepath.Dir(db))}); err != nil {
		return fmt.Errorf("verify signatures as a client does: %w", err)
	}
	return nil
}

// onlySigned makes sure that a package is the one of its snapshot but for signatures, and tells whether one of these covers
// the payload as well.
func (s *stage) onlySigned(ctx context.Context, p Package, path string) (payload bool, err error) {
	in, _, err := s.open(p)
	if err != nil {
		return false, err
	}
	defer in.Close()
	was, err := rpmfile.OpenFile(ctx, in, in.Name())
	if err != nil {
		return false, err
	}
	is, err := rpmfile.Open(ctx, path)
	if err != nil {
		return false, err
	}
	defer is.Close()
	if err := is.SignedFrom(ctx, was); err != nil {
		return false, err
	}
	return is.PayloadSigned()
}

// rpmsignVerifies reports whether rpmsign does not sign what has a wrong digest.
func rpmsignVerifies(ctx context.Context) (bool, error) {
	out, err := command.Ask(ctx, "rpmsign", "--version")
	if err != nil {
		return false, fmt.Errorf("ask rpmsign for its version: %w", err)
	}
	return verifiesFirst(string(out)), nil
}

var rpmNumber = regexp.MustCompile(`([0-9]+)\.([0-9]+)`)

// verifiesFirst reports whether rpmsign of a version, as it prints that, verifies what it signs: since 4.15.
func verifiesFirst(version string) bool {
	n := rpmNumber.FindStringSubmatch(version)
	if n == nil {
		return false
	}
	major, _ := strconv.Atoi(n[1]) // of a match of rpmNumber
	minor, _ := strconv.Atoi(n[2])
	return major > 4 || major == 4 && minor >= 15
}
