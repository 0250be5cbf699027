// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"strings"
	"testing"
)

// What a distribution may define leaves both branches open, until somebody says it.
func TestBuildRequires(t *testing.T) {
	text := []byte(`Name: k
Version: 5
%if 0%{?rhel} > 7
BuildRequires: a%{?_isa} >= 1, aa
%else
BuildRequires: b
%endif
BuildRequires: %{name}-c-%{version}, %{_odd}d
BuildRequires: %{name}-e = %{version}
%description
BuildRequires: f
`)
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, "a aa b %{name}-c-%{version} %{_odd}d k-e"},
		{Options{Defines: []string{"rhel 8", "_odd x"}}, "a aa k-c-5 xd k-e"},
		{Options{Undefined: []string{"rhel"}, Defines: []string{"_odd x"}}, "b k-c-5 xd k-e"},
		{Options{Undefined: []string{"rhel"}, Defines: []string{"rhel 9", "_odd x"}}, "a aa k-c-5 xd k-e"},
	} {
		got, err := Read("k.spec", text).BuildRequires(c.o)
		if have := strings.Join(got, " "); err != nil || have != c.want {
			t.Errorf("%+v: %q, %v, want %q", c.o, have, err, c.want)
		}
	}
}
