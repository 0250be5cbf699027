// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for s, ok := range map[string]bool{
		"kernel/ovzkernel-PAE.i686/2022-05-02T08:11:33Z":               true,
		"a/b/c/d/e/f/g/h/kernel/x/2022-05-02T08:11:33Z":                true,
		"a/b/c/d/e/f/g/h/i/kernel/x/2022-05-02T08:11:33Z":              false,
		"kernel/x+y~1^2/2022-05-02T08:11:33Z":                          true,
		"kernel/x/2022-05-02T08:11:33+00:00":                           false,
		"kernel/x/2022-02-30T08:11:33Z":                                false,
		"kernel/x/2022-05-02T08:11:33.5Z":                              false,
		"x/2022-05-02T08:11:33Z":                                       false,
		"ns/x/2022-05-02T08:11:33Z":                                    false,
		"../x/2022-05-02T08:11:33Z":                                    false,
		"kernel/-x/2022-05-02T08:11:33Z":                               false,
		"kernel/.x/2022-05-02T08:11:33Z":                               false,
		"/kernel/x/2022-05-02T08:11:33Z":                               false,
		"kernel/x y/2022-05-02T08:11:33Z":                              false,
		"kernel/" + strings.Repeat("x", 255) + "/2022-05-02T08:11:33Z": true,
		"kernel/" + strings.Repeat("x", 256) + "/2022-05-02T08:11:33Z": false,
		strings.Repeat("n", 32) + "/kernel/x/2022-05-02T08:11:33Z":     false,
	} {
		r, err := ParseRef(s)
		if (err == nil) != ok {
			t.Errorf("%s: %v", s, err)
		}
		if err == nil && r.String() != s {
			t.Errorf("%s became %s", s, r)
		}
	}
	// The longest names there may be must be storable and lockable.
	s := newStore(t)
	long := Group{Namespace(strings.TrimSuffix(strings.Repeat(strings.Repeat("-n"[1:], 31)+"/", 8), "/")), strings.Repeat("t", 31), "x" + strings.Repeat("-", 254)}
	ref := put(t, s, long, day, strings.Repeat("f", 255), "1")
	if err := s.SetNotes(t.Context(), ref, "x"); err != nil {
		t.Error(err)
	}
	if err := s.Remove(t.Context(), ref); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", "index.json", "a/b", "..", ".hidden", "-o", "a\nb", strings.Repeat("x", 256)} {
		w, err := s.Create(t.Context(), kernel, day)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.AddFile(t.Context(), name, bytes.NewReader(nil)); err == nil {
			t.Errorf("a file called %q", name)
		}
		w.Abort()
	}
}

func FuzzParseRef(f *testing.F) {
	f.Add("a/kernel/x/2022-05-02T08:11:33Z")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			return
		}
		if r.String() != s || !filepath.IsLocal(r.dir()) || strings.ContainsAny(r.dir(), "\x00\n") {
			t.Errorf("%q became %q in %q", s, r, r.dir())
		}
	})
}
