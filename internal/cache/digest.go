// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
)

// SHA256 is the SHA-256 digest of data, in hexadecimal.
func SHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Digests are the SHA-256 digests of files that stay as they are while it is used. Each file is
// read once. A nil one remembers nothing. It must not be used concurrently.
type Digests struct{ known map[string]string }

// Of is the digest of the file at path, in hexadecimal.
func (d *Digests) Of(path string) (string, error) {
	if d != nil && d.known[path] != "" {
		return d.known[path], nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	digest, err := digestOf(f)
	if err != nil {
		return "", err
	}
	if d != nil {
		if d.known == nil {
			d.known = map[string]string{}
		}
		d.known[path] = digest
	}
	return digest, nil
}

func digestOf(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
