// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"errors"
	"slices"
	"testing"
	"time"

	"ovzpatch/internal/job"
)

func TestSelect(t *testing.T) {
	s := newStore(t)
	at := time.Date(2022, 5, 2, 8, 11, 33, 0, time.UTC)
	g, other := Group{Type: "kernel", ID: "k.x86_64"}, Group{Type: "kernel", ID: "k.i686"}
	first, second, third := put(t, s, g, at), put(t, s, g, at.Add(time.Hour)), put(t, s, other, at)
	for _, tt := range []struct {
		names []string
		want  []Ref
		err   error
	}{
		{nil, []Ref{third, first, second}, nil},
		{[]string{g.String()}, []Ref{first, second}, nil},
		{[]string{second.String(), other.String()}, []Ref{second, third}, nil},
		{[]string{"kernel/none.x86_64"}, nil, ErrNoGroup},
		{[]string{g.String() + "/2023-01-01T00:00:00Z"}, nil, ErrNotFound},
		{[]string{first.String() + ":"}, nil, job.ErrRequest},
		{[]string{"kernel"}, nil, job.ErrRequest},
	} {
		got, err := s.Select(tt.names)
		if !errors.Is(err, tt.err) || err == nil && !slices.Equal(got, tt.want) {
			t.Errorf("%q: %v, %v, want %v, %v", tt.names, got, err, tt.want, tt.err)
		}
	}
	c, err := Choose([]string{g.String(), third.String()})
	if err != nil || !slices.Equal(c.Refs, []Ref{third}) || !slices.Equal(c.Groups, []Group{g}) {
		t.Errorf("%+v, %v", c, err)
	}
}

// One that is not there keeps the others as they are.
func TestProtectAll(t *testing.T) {
	s := newStore(t)
	at := time.Date(2022, 5, 2, 8, 11, 33, 0, time.UTC)
	g := Group{Type: "kernel", ID: "k.x86_64"}
	first, second := put(t, s, g, at), put(t, s, g, at.Add(time.Hour))
	gone := second
	gone.Time = at.Add(2 * time.Hour)
	protected := func() (n int) {
		list, err := s.List(t.Context(), []Ref{first, second})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if e.Protected {
				n++
			}
		}
		return n
	}
	if changed, err := s.ProtectAll(t.Context(), []Ref{first, gone, second}, true); !errors.Is(err, ErrNotFound) || changed != nil || protected() != 0 {
		t.Errorf("%v, %v, %d are protected", changed, err, protected())
	}
	if changed, err := s.ProtectAll(t.Context(), []Ref{first, second}, true); err != nil || len(changed) != 2 || protected() != 2 {
		t.Errorf("%v, %v, %d are protected", changed, err, protected())
	}
	if _, err := s.ProtectAll(t.Context(), []Ref{first}, false); err != nil || protected() != 1 {
		t.Errorf("%v, %d are protected", err, protected())
	}
}
