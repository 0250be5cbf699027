// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	manifestSuffix = ".index.json.lck"
	hashedDir      = "hashed"
	// nameMax is what a file name may have on Linux; at that length names are hashed.
	nameMax = 255
	// hashedKeep is how much of both ends a hashed name shows.
	hashedKeep = 80
)

func (s Snapshot) relative() string { return s.Type + "/" + s.ID + "/" + s.Time }

// path is the lock file, below root, of what the namespace has at the relative path.
func path(root string, namespace []string, relative string) string {
	b := make([]byte, 0, 256)
	b = append(b, root...)
	b = append(b, '/')
	if len(namespace) > 0 {
		b = append(b, namespaceDir(namespace)...)
		b = append(b, '/')
	}
	return string(appendFileName(b, relative))
}

// appendFileName appends the lock file's name for a relative path, as it is below its
// namespace's directory.
func appendFileName(b []byte, relative string) []byte {
	start := len(b)
	b = appendEncoded(b, relative)
	if len(b)-start < nameMax {
		return b
	}
	enc := string(b[start:])
	sum := sha256.Sum256([]byte(relative))
	b = append(b[:start], hashedDir+"/"+enc[:hashedKeep]+"..."+enc[len(enc)-hashedKeep:]+"-"...)
	return hex.AppendEncode(b, sum[:])
}

// namespaceDir is the directory of a namespace's locks. Joined with ':' it can't be
// taken for a lock file, for encoded names have none. A single component could be: every
// encoded group has a '-', and the hashed names are in a directory. So those two are
// written encoded.
func namespaceDir(namespace []string) string {
	if len(namespace) != 1 {
		return strings.Join(namespace, ":")
	}
	if namespace[0] == hashedDir {
		return `\x68` + hashedDir[1:]
	}
	return strings.ReplaceAll(namespace[0], "-", `\x2d`)
}

// appendEncoded appends a path as systemd writes it in unit names (systemd-escape), but
// with ':' encoded as well.
func appendEncoded(b []byte, path string) []byte {
	const digits = "0123456789abcdef"
	for i := range len(path) {
		switch c := path[i]; {
		case c == '/':
			b = append(b, '-')
		case c == '.' && i == 0, !plain(c):
			b = append(b, '\\', 'x', digits[c>>4], digits[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.'
}

// decode turns appendEncoded round; what that can't have written is kept as it is.
func decode(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '-' {
			b.WriteByte('/')
			continue
		}
		if strings.HasPrefix(name[i:], `\x`) && len(name) >= i+4 {
			if c, err := strconv.ParseUint(name[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// parse tells what a lock file, given relative to the datastore's lock directory, locks.
// Time is "" for a group. ok is false for a hashed name and for a file not of ours.
func parse(file string) (s Snapshot, ok bool) {
	dir, name := filepath.Split(file)
	if dir = strings.TrimSuffix(dir, "/"); dir != "" {
		s.Namespace = strings.Split(dir, ":")
		if len(s.Namespace) == 1 {
			s.Namespace[0] = decode(dir)
		}
	}
	if dir == hashedDir || strings.Contains(dir, "/") {
		return s, false
	}
	parts := strings.Split(decode(strings.TrimSuffix(name, manifestSuffix)), "/")
	switch len(parts) {
	case 3:
		s.Time = parts[2]
		fallthrough
	case 2:
		s.Type, s.ID = parts[0], parts[1]
		return s, true
	}
	return s, false
}
