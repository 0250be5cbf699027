// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"ovzpatch/internal/runlock"
)

// Limits of names. Eight components of 31 bytes and what joins them are 255 bytes, which
// is what one directory of locks may be called.
const (
	MaxDepth     = 8   // components of a namespace
	maxComponent = 31  // bytes of one of them, of a group's type and of a store's name
	maxName      = 255 // bytes of a group's id and of a file's name
)

// timeLayout is how a snapshot's time is written, always in UTC.
const timeLayout = "2006-01-02T15:04:05Z"

// Namespace is a path such as "rhel6/testing"; "" is the outermost.
type Namespace string

// Group is what snapshots of the same thing are in: "kernel/ovzkernel-PAE.i686".
type Group struct {
	Namespace Namespace
	Type, ID  string
}

// Ref names one snapshot: a group and the second, in UTC, at which it was made.
type Ref struct {
	Group
	Time time.Time
}

// ParseNamespace reads "a/b/c".
func ParseNamespace(s string) (Namespace, error) {
	n := Namespace(s)
	return n, n.check()
}

// ParseGroup reads "[namespace/]type/id".
func ParseGroup(s string) (Group, error) {
	parts := strings.Split(s, "/")
	if len(parts) < 2 {
		return Group{}, fmt.Errorf("read group %q: want [NAMESPACE/]TYPE/ID, for example kernel/ovzkernel-PAE.i686", s)
	}
	n := len(parts)
	if n > 2 && parts[0] == "" {
		return Group{}, fmt.Errorf("read group %q: it begins with a slash", s)
	}
	g := Group{Namespace(strings.Join(parts[:n-2], "/")), parts[n-2], parts[n-1]}
	return g, g.check()
}

// ParseRef reads "[namespace/]type/id/time".
func ParseRef(s string) (Ref, error) {
	group, at := s, ""
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		group, at = s[:i], s[i+1:]
	}
	t, err := time.Parse(timeLayout, at)
	// Parse takes fractions of a second, which no name has.
	if err != nil || t.Format(timeLayout) != at {
		return Ref{}, fmt.Errorf("read snapshot %q: want [NAMESPACE/]TYPE/ID/TIME, for example kernel/ovzkernel-PAE.i686/2022-05-02T08:11:33Z", s)
	}
	g, err := ParseGroup(group)
	return Ref{g, t}, err
}

// At returns the group's snapshot of that time, to the second.
func (g Group) At(t time.Time) Ref { return Ref{g, t.UTC().Truncate(time.Second)} }

func (g Group) String() string {
	return strings.TrimPrefix(string(g.Namespace)+"/"+g.Type+"/"+g.ID, "/")
}

func (r Ref) String() string { return r.Group.String() + "/" + r.Time.Format(timeLayout) }

// MarshalText makes a Ref its String in JSON.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *Ref) UnmarshalText(b []byte) (err error) {
	*r, err = ParseRef(string(b))
	return err
}

func (n Namespace) components() []string {
	if n == "" {
		return nil
	}
	return strings.Split(string(n), "/")
}

func (n Namespace) check() error {
	parts := n.components()
	if len(parts) > MaxDepth {
		return fmt.Errorf("namespace %q: %d levels, at most %d are possible", n, len(parts), MaxDepth)
	}
	for _, p := range parts {
		if err := checkName("namespace", p, maxComponent); err != nil {
			return err
		}
	}
	return nil
}

func (g Group) check() error {
	if err := g.Namespace.check(); err != nil {
		return err
	}
	if g.Type == namespaceDir {
		return fmt.Errorf("group type %q: that name is reserved for namespaces; use another", g.Type)
	}
	if err := checkName("group type", g.Type, maxComponent); err != nil {
		return err
	}
	return checkName("group id", g.ID, maxName)
}

func (r Ref) check() error {
	if err := r.Group.check(); err != nil {
		return err
	}
	if y := r.Time.Year(); y < 1 || y > 9999 || !r.Time.Equal(r.Time.Truncate(time.Second)) || r.Time.Location() != time.UTC {
		return fmt.Errorf("snapshot time %v: want whole seconds in UTC, years 1 to 9999", r.Time)
	}
	return nil
}

// checkName allows what package names are made of, and nothing that could be a path, a
// hidden file, an option or a terminal's command.
func checkName(what, name string, limit int) error {
	if name == "" {
		return fmt.Errorf("%s: the name is empty", what)
	}
	if len(name) > limit {
		return fmt.Errorf("%s %.40q...: %d bytes, at most %d are possible", what, name, len(name), limit)
	}
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
		if !letter && (i == 0 || !strings.ContainsRune(".-+~^", rune(c))) {
			return fmt.Errorf("%s %q: only letters, digits and ._-+~^ are possible, the first a letter, a digit or _", what, name)
		}
	}
	return nil
}

// dir is the group's directory, relative to the store.
func (g Group) dir() string {
	var b strings.Builder
	for _, p := range g.Namespace.components() {
		b.WriteString(namespaceDir + "/" + p + "/")
	}
	return b.String() + g.Type + "/" + g.ID
}

func (r Ref) dir() string { return r.Group.dir() + "/" + r.Time.Format(timeLayout) }

func (s *Store) lockGroup(g Group) runlock.Group {
	return runlock.Group{Namespace: g.Namespace.components(), Type: g.Type, ID: g.ID, Dir: filepath.Join(s.dir, g.dir())}
}

// lockName names the snapshot for its locks; dir stands for it where directories are
// locked.
func (s *Store) lockName(r Ref, dir string) runlock.Snapshot {
	n := runlock.Snapshot{Group: s.lockGroup(r.Group), Time: r.Time.Format(timeLayout)}
	n.Dir = dir
	return n
}
