// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"ovzpatch/internal/compress"
)

// Text inside an element never has a bare "<", so what these find is what createrepo_c wrote.
var (
	packageSum = regexp.MustCompile(`<checksum type="sha256" pkgid="YES">([0-9a-f]{64})</checksum>`)
	packageID  = regexp.MustCompile(`<package pkgid="([0-9a-f]{64})" `)
	dataEntry  = regexp.MustCompile(`(?s)<data type="[^"]*">.*?</data>`)
	entryHref  = regexp.MustCompile(`<location href="repodata/([0-9a-f]{64})(-[^"/]+)"/>`)
	dataValue  = regexp.MustCompile(`(<(checksum|open-checksum)) type="sha256">[0-9a-f]{64}<|<(size|open-size)>[0-9]+<`)
)

// toSHA1 turns metadata with SHA-256, gzip compressed, into the same with SHA-1, which is all that
// yum of RHEL 5 knows. createrepo_c 1.2, of Debian 13, cannot write SHA-1 any more. ids has the SHA-1 of each package by its
// SHA-256.
func toSHA1(ctx context.Context, repo string, ids map[string]string) error {
	path := filepath.Join(repo, "repodata/repomd.xml")
	md, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var failed error
	md = dataEntry.ReplaceAllFunc(md, func(entry []byte) []byte {
		changed, err := entryToSHA1(ctx, repo, entry, ids)
		if err != nil && failed == nil {
			failed = err
		}
		return changed
	})
	if failed != nil {
		return failed
	}
	return os.WriteFile(path, md, 0o644)
}

// entryToSHA1 does so for one file of metadata, and returns what repomd.xml says of it.
func entryToSHA1(ctx context.Context, repo string, entry []byte, ids map[string]string) ([]byte, error) {
	href := entryHref.FindSubmatch(entry)
	if href == nil {
		return nil, fmt.Errorf("repomd.xml: this entry has no location, or another than a checksum's:\n%s", entry)
	}
	old := filepath.Join(repo, "repodata", string(href[1])+string(href[2]))
	packed, err := os.ReadFile(old)
	if err != nil {
		return nil, err
	}
	plain, format, err := unpack(ctx, packed)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", old, err)
	}
	id := func(b []byte) []byte { return []byte(ids[string(b)]) }
	plain = packageSum.ReplaceAllFunc(plain, func(m []byte) []byte {
		return fmt.Appendf(nil, `<checksum type="sha" pkgid="YES">%s</checksum>`, id(packageSum.FindSubmatch(m)[1]))
	})
	plain = packageID.ReplaceAllFunc(plain, func(m []byte) []byte {
		return fmt.Appendf(nil, `<package pkgid="%s" `, id(packageID.FindSubmatch(m)[1]))
	})
	packed = plain
	if format != compress.None {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		w.Write(plain)
		if err := w.Close(); err != nil {
			return nil, err
		}
		packed = b.Bytes()
	}
	sum := sum1(packed)
	if err := os.WriteFile(filepath.Join(repo, "repodata", sum+string(href[2])), packed, 0o644); err != nil {
		return nil, err
	}
	if err := os.Remove(old); err != nil {
		return nil, err
	}
	is := map[string]string{"checksum": sum, "open-checksum": sum1(plain), "size": strconv.Itoa(len(packed)), "open-size": strconv.Itoa(len(plain))}
	entry = dataValue.ReplaceAllFunc(entry, func(m []byte) []byte {
		v := dataValue.FindSubmatch(m)
		if name := string(v[3]); name != "" {
			return fmt.Appendf(nil, "<%s>%s<", name, is[name])
		}
		return fmt.Appendf(nil, `%s type="sha">%s<`, v[1], is[string(v[2])])
	})
	return bytes.Replace(entry, href[1], []byte(sum), 1), nil
}

func unpack(ctx context.Context, packed []byte) ([]byte, compress.Format, error) {
	r, format, err := compress.NewReader(ctx, bytes.NewReader(packed))
	if err != nil {
		return nil, format, err
	}
	defer r.Close()
	plain, err := io.ReadAll(compress.Limit(r, maxMetadata))
	return plain, format, err
}

func sum1(b []byte) string {
	s := sha1.Sum(b)
	return hex.EncodeToString(s[:])
}

func fileSHA1(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha1.New()
	if _, err := io.Copy(h, &interruptible{ctx, f}); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
