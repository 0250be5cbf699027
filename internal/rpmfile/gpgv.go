// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ovzpatch/internal/command"
)

// uncheckedError says why gpgv cannot tell whether a signature is good.
type uncheckedError struct{ reason string }

func (e *uncheckedError) Error() string { return e.reason }

// clockSkew is how far in the future a signature's time may be.
const clockSkew = 30 * time.Minute

// gpgv verifies one signature and returns the key and its owner. An *uncheckedError means that
// gpgv does not know this kind of signature.
func (f *File) gpgv(ctx context.Context, dir, ring string, s signature) (string, error) {
	if v := packetVersion(s.data); v > 5 {
		return "", &uncheckedError{fmt.Sprintf("it has OpenPGP version %d, which gpgv cannot read", v)}
	}
	file := filepath.Join(dir, "signature")
	if err := os.WriteFile(file, s.data, 0o600); err != nil {
		return "", err
	}
	signed := io.Reader(bytes.NewReader(f.Header.raw))
	if s.payload {
		signed = io.NewSectionReader(f.file, f.headerStart, f.size-f.headerStart)
	}
	out, err := command.Output(ctx, command.Cmd{
		Args:  []string{"gpgv", "--homedir", dir, "--keyring", ring, "--status-fd", "1", file, "-"},
		Stdin: signed,
	})
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	by, judged := judge(string(out), time.Now())
	switch {
	case judged != nil:
		return "", judged
	case by != "" && err != nil:
		return "", err
	case by != "":
		return by, nil
	case isExit(err):
		return "", &uncheckedError{"gpgv says nothing about it: it may be damaged, or newer than this gpgv"}
	case err != nil:
		return "", err
	}
	return "", errors.New("gpgv does not say that it is good")
}

// isExit reports whether a program ended with an error, and not that it could not be run.
func isExit(err error) bool {
	var e *command.Error
	return errors.As(err, &e) && e.ExitCode > 0
}

// judge reads what gpgv says about one signature; see doc/DETAILS of GnuPG. gpgv accepts
// signatures that were made after their key had expired, or that are dated in the future. rpm
// accepts neither, and nor do we. We never accept a revoked key, whenever the signature was made:
// whoever stole a key chooses the date. We accept SHA-1, because the packages of the old kernels
// have nothing better, and say so. gpgv does not accept MD5.
func judge(status string, now time.Time) (by string, err error) {
	var expired int64
	for line := range strings.Lines(status) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "[GNUPG:]" {
			continue
		}
		who := strings.Join(words[2:], " ")
		switch words[1] {
		case "GOODSIG":
			by = who
		case "EXPKEYSIG":
			by = who + " (expired since)"
		case "KEYEXPIRED":
			// A key may have several such lines; the earliest is the strictest.
			if n, e := strconv.ParseInt(words[2], 10, 64); e == nil && (expired == 0 || n < expired) {
				expired = n
			}
		case "BADSIG":
			return "", fmt.Errorf("it is BAD: this is not what key %s signed", who)
		case "EXPSIG":
			return "", fmt.Errorf("it was valid for a limited time, which is over; it is by key %s", who)
		case "REVKEYSIG":
			return "", fmt.Errorf("it was made by key %s, whose owner has revoked it", who)
		case "NO_PUBKEY":
			return "", fmt.Errorf("it was made by key %s, which is not in the keyring", who)
		case "ERRSIG":
			if err := errSig(words); err != nil {
				return "", err
			}
		case "VALIDSIG":
			if by, err = validSig(words, by, expired, now); err != nil {
				return "", err
			}
			expired = 0
		}
	}
	return by, nil
}

// errSig reads ERRSIG keyid pkalgo hashalgo class time rc: gpgv could not check the signature.
func errSig(words []string) error {
	if len(words) < 8 {
		return &uncheckedError{"gpgv does not say why"}
	}
	switch words[7] {
	case "4":
		return &uncheckedError{fmt.Sprintf("key %s uses algorithm %s, which this gpgv does not know", words[2], words[3])}
	case "5":
		return fmt.Errorf("it was made by key %s over a digest of algorithm %s, which gpgv does not know or finds too weak", words[2], words[4])
	}
	return nil // NO_PUBKEY follows, or nothing
}

// validSig reads VALIDSIG fingerprint date time expires version reserved pkalgo hashalgo class:
// the digest fits the key, and the line says when and how the signature was made.
func validSig(words []string, by string, expired int64, now time.Time) (string, error) {
	if len(words) < 11 {
		return "", fmt.Errorf("gpgv says %q, which is unreadable", strings.Join(words, " "))
	}
	n, err := strconv.ParseInt(words[4], 10, 64)
	if err != nil {
		return "", fmt.Errorf("gpgv says it was made at %q, which is unreadable", words[4])
	}
	day := func(n int64) string { return time.Unix(n, 0).UTC().Format("2006-01-02 15:04 UTC") }
	switch {
	case expired != 0 && n >= expired:
		return "", fmt.Errorf("it was made on %s, after its key had expired on %s: %s", day(n), day(expired), by)
	case time.Unix(n, 0).After(now.Add(clockSkew)):
		return "", fmt.Errorf("it says that it was made on %s, which is in the future: is this machine's clock right? The key is %s", day(n), by)
	case words[10] != "00" && words[10] != "01":
		return "", fmt.Errorf("its class is %s, which is not for data; the key is %s", words[10], by)
	}
	if words[9] == "2" {
		by += ", with SHA-1, which today's rpm considers too weak"
	}
	return by, nil
}

// packetVersion returns the version of an OpenPGP packet, or 0 if it is unknown.
func packetVersion(b []byte) int {
	_, header, _, ok := packetHeader(b)
	if !ok || header >= len(b) {
		return 0
	}
	return int(b[header])
}
