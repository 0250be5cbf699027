// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/tool"
)

// minRSA is how many bits an RSA key must have: today's clients refuse shorter ones.
const minRSA = 2048

// OpenPGP's numbers of algorithms, as gpg prints them.
const (
	algoRSA     = "1"
	algoRSASign = "3"
	algoDSA     = "17"
	algoEdDSA   = "22"
)

// notInPaths are characters that dnf.conf, rpm's macros or addresses read otherwise than as a part of a path.
const notInPaths = " \t\r\n,;#%$?*\"'\\[]{}"

// signer signs with one key, by gpg or gpg1.
type signer struct {
	program     string // path of gpg, or of gpg1 for signatures in V3 form
	home        string // "" for the user's own
	own         string // which that is, "" where that is not known
	v3          bool
	fingerprint string
	public      []byte // the key, armoured
	ring        []byte // the key, as gpgv reads it
}

// newSigner finds the key and shows that it signs, so that a passphrase is asked for and an error
// is told before anything is changed.
func newSigner(ctx context.Context, o *Options, profiles []Profile) (_ *signer, err error) {
	s := &signer{home: o.GPGHome, own: o.OwnGPGHome, v3: profiles[0] == RHEL5}
	name := "gpg"
	if s.v3 {
		name = "gpg1"
	}
	if s.program, err = tool.Find(name); err != nil {
		return nil, err
	}
	if s.home != "" {
		if s.home, err = filepath.Abs(s.home); err != nil {
			return nil, err
		}
		if st, err := os.Stat(s.home); err != nil || !st.IsDir() {
			return nil, job.BadRequest(fmt.Errorf("--gpg-home=%s: it is not a directory", o.GPGHome))
		}
	}
	if err := s.find(ctx, o.Key, profiles); err != nil {
		return nil, fmt.Errorf("take key %q: %w", o.Key, err)
	}
	if s.public, err = s.ask(ctx, "--armor", "--export", s.fingerprint); err == nil {
		s.ring, err = s.ask(ctx, "--export", s.fingerprint)
	}
	if err != nil {
		return nil, fmt.Errorf("export the public key %s: %w", s.fingerprint, err)
	}
	dir, remove, err := scratch.New("", "key")
	if err != nil {
		return nil, err
	}
	defer leave(dir, remove, &err)
	// What dnf and rpm are told lies in such directories.
	if strings.ContainsAny(dir, notInPaths) {
		return nil, job.BadRequest(fmt.Errorf("the directory for temporary files is %q, and dnf and rpm would read its path otherwise: set TMPDIR to one without spaces, commas and any of ;#%%$?*\"'\\[]{}", filepath.Dir(dir)))
	}
	trial := filepath.Join(dir, "text")
	if err := os.WriteFile(trial, []byte("ovzpatch tries whether this key signs.\n"), 0o600); err != nil {
		return nil, err
	}
	if err := s.detach(ctx, trial); err != nil {
		return nil, fmt.Errorf("sign with key %s: %w%s", s.fingerprint, err, s.passphraseHint())
	}
	if err := s.verify(ctx, dir, trial); err != nil {
		return nil, fmt.Errorf("sign with key %s: gpgv does not take its signature: %w", s.fingerprint, err)
	}
	return s, nil
}

func (s *signer) passphraseHint() string {
	if s.v3 {
		return "\ngpg1 cannot ask for a passphrase here: let it have one from gpg-agent (GPG_AGENT_INFO), or keep the key in a home of its own without one"
	}
	return "\nhas gpg-agent its passphrase, and GPG_TTY the terminal to ask on?"
}

// args are a call of gpg.
func (s *signer) args(more ...string) []string {
	args := []string{s.program, "--batch", "--no-tty"}
	if s.home != "" {
		args = append(args, "--homedir", s.home)
	}
	return append(args, more...)
}

// env is for gpg: what it prints must not depend on the user's language.
func (s *signer) env() []string { return []string{"LC_ALL=C"} }

func (s *signer) ask(ctx context.Context, args ...string) ([]byte, error) {
	return command.Output(ctx, command.Cmd{Args: s.args(args...), Env: s.env(), Limit: time.Minute})
}

// find makes sure that the name is of one key, which is there with its secret part and good for
// all clients.
func (s *signer) find(ctx context.Context, name string, profiles []Profile) error {
	if name == "" || strings.HasPrefix(name, "-") {
		return job.BadRequest(errors.New("name the key to sign with: its fingerprint, or what gpg knows it by"))
	}
	public, err := s.ask(ctx, "--with-colons", "--fixed-list-mode", "--fingerprint", "--list-keys", name)
	var keys []pub
	if err == nil {
		keys = parseKeys(string(public))
	}
	switch {
	case err != nil && !absent(err):
		return fmt.Errorf("%s cannot look for it: %w", s.where(), err)
	case len(keys) == 0:
		return job.BadRequest(fmt.Errorf("%s has no such key%s", s.where(), s.importHint(name)))
	case len(keys) > 1:
		return job.BadRequest(fmt.Errorf("%d keys have that name; name one by its fingerprint, such as %s", len(keys), keys[0].fingerprint))
	}
	k := keys[0]
	if _, err := s.ask(ctx, "--with-colons", "--list-secret-keys", k.fingerprint); err != nil {
		if !absent(err) {
			return fmt.Errorf("%s cannot look for its secret part: %w", s.where(), err)
		}
		return job.BadRequest(fmt.Errorf("%s has only its public part, which cannot sign%s", s.where(), s.importHint(k.fingerprint)))
	}
	if err := k.check(profiles, time.Now()); err != nil {
		return job.BadRequest(err)
	}
	s.fingerprint = k.fingerprint
	return nil
}

// absent tells whether gpg or gpg1 said that it has no such key. Else it could not look, or was stopped.
func absent(err error) bool {
	said := []string{"No public key", "public key not found", "No secret key", "secret key not available"}
	failed := new(*command.Error)
	return errors.As(err, failed) && slices.ContainsFunc(said, func(s string) bool { return strings.Contains((*failed).Tail, s) })
}

func (s *signer) where() string {
	where := filepath.Base(s.program)
	if s.home != "" {
		where += " in " + s.home
	}
	return where
}

// importHint says how gpg1, which has its own keys, gets one of gpg's.
func (s *signer) importHint(key string) string {
	if !s.v3 {
		return ""
	}
	return fmt.Sprintf("; profile %s needs signatures in V3 form, which only gpg1 makes. It has keys of its own: mkdir -m 700 DIR, gpg --export-secret-keys %s | gpg1 --homedir DIR --import, and --gpg-home DIR", RHEL5, key)
}

// pub is a public key as gpg lists it.
type pub struct {
	validity, algo, capabilities string
	bits                         int
	expires                      int64 // 0 for never
	fingerprint                  string
}

// parseKeys reads what gpg prints with --with-colons; see doc/DETAILS of GnuPG.
func parseKeys(list string) []pub {
	var keys []pub
	for line := range strings.Lines(list) {
		f := strings.Split(strings.TrimSpace(line), ":")
		switch {
		case f[0] == "pub" && len(f) > 11:
			k := pub{validity: f[1], algo: f[3], capabilities: f[11]}
			k.bits, _ = strconv.Atoi(f[2])
			k.expires, _ = strconv.ParseInt(f[6], 10, 64)
			keys = append(keys, k)
		case f[0] == "fpr" && len(f) > 9 && len(keys) > 0 && keys[len(keys)-1].fingerprint == "":
			keys[len(keys)-1].fingerprint = f[9]
		}
	}
	return keys
}

// check refuses a key that a client would not take.
func (k *pub) check(profiles []Profile, now time.Time) error {
	rsa := k.algo == algoRSA || k.algo == algoRSASign
	switch {
	case k.validity == "r":
		return errors.New("its owner has revoked it")
	case k.validity == "e" || k.expires != 0 && k.expires <= now.Unix():
		return fmt.Errorf("it has expired on %s; extend it (gpg --edit-key, expire), and give the clients its new public part", time.Unix(k.expires, 0).UTC().Format(time.DateOnly))
	case k.validity == "i" || k.validity == "d" || strings.Contains(k.capabilities, "D"):
		return errors.New("gpg says that it is invalid or disabled")
	case !strings.Contains(k.capabilities, "s"):
		return errors.New("its primary key cannot sign; the rpm of old systems does not know subkeys, so take a key whose primary key signs")
	case rsa && k.bits < minRSA:
		return fmt.Errorf("it is an RSA key of %d bits, and clients refuse what is shorter than %d", k.bits, minRSA)
	case rsa:
		return nil
	case profiles[0].old():
		return fmt.Errorf("it is not an RSA key (algorithm %s), and the clients of profile %s take RSA only", k.algo, profiles[0])
	case k.algo != algoDSA && k.algo != algoEdDSA:
		return fmt.Errorf("it is unknown whether clients accept a key of algorithm %s; use an RSA key of %d bits or more", k.algo, minRSA)
	}
	return nil
}

// detach signs a file: the signature is beside it, with .asc.
func (s *signer) detach(ctx context.Context, path string) error {
	args := []string{"--yes", "--armor", "--digest-algo", "SHA256", "-u", s.fingerprint + "!", "--output", path + ".asc", "--detach-sign", path}
	if s.v3 {
		args = append([]string{"--force-v3-sigs"}, args...)
	}
	// What a killed gpg leaves lies beside the file, and goes with it.
	_, err := command.Output(ctx, command.Cmd{Args: s.args(args...), Env: append(s.env(), "TMPDIR="+filepath.Dir(path))})
	return err
}

// verify has gpgv look at a signature beside a file, with nothing but the public key. dir is a
// scratch directory.
func (s *signer) verify(ctx context.Context, dir, path string) error {
	ring := filepath.Join(dir, "ring.gpg")
	if err := os.WriteFile(ring, s.ring, 0o600); err != nil {
		return err
	}
	status, err := command.Output(ctx, command.Cmd{
		Args: []string{"gpgv", "--homedir", dir, "--keyring", ring, "--status-fd", "1", path + ".asc", path}, Env: append(s.env(), "TMPDIR="+dir),
	})
	if err != nil {
		return err
	}
	if !bytes.Contains(status, []byte("[GNUPG:] VALIDSIG ")) || !bytes.Contains(status, []byte(s.fingerprint)) {
		return fmt.Errorf("it does not say that the signature is by %s", s.fingerprint)
	}
	return nil
}

// macros make rpmsign use the key.
func (s *signer) macros(dir string) []string {
	extra := "--batch --no-tty"
	if s.v3 {
		extra += " --force-v3-sigs"
	}
	args := []string{
		"--define", "__gpg " + unmacro(s.program),
		"--define", "_gpg_name " + s.fingerprint + "!",
		"--define", "_gpg_digest_algo sha256",
		"--define", "_gpg_sign_cmd_extra_args " + extra,
		"--define", "_tmppath " + dir, // what a killed one leaves goes with the directory
	}
	if home := s.keys(); home != "" {
		args = append(args, "--define", "_gpg_path "+unmacro(home))
	}
	return args
}

// unmacro keeps rpm from reading a path as macros.
func unmacro(path string) string { return strings.ReplaceAll(path, "%", "%%") }

// keys is the directory that gpg has the keys in, "" where that is not known.
func (s *signer) keys() string {
	if s.home == "" {
		return s.own
	}
	return s.home
}

// addSign signs packages in place. dir is a scratch directory.
func (s *signer) addSign(ctx context.Context, dir string, paths []string) error {
	args := append([]string{"rpmsign"}, s.macros(dir)...)
	// Since rpm 6 --addsign leaves the signature of somebody else in; before, both replace it.
	args = append(append(args, "--resign"), paths...)
	env := append(s.env(), "TMPDIR="+dir)
	if s.keys() != "" { // or gpg looks for them in the home directory
		env = nobodys(dir)
	}
	return command.Run(ctx, command.Cmd{Args: args, Env: env})
}
