// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"strings"
	"testing"
)

// What an old rpm does not take is known from the package, as the real rpmbuild writes it.
func TestUnreadable(t *testing.T) {
	rhel5 := Reader{"RHEL 5", "4.4.2.3", []string{"gzip", "bzip2"}}
	rhel6 := Reader{"RHEL 6", "4.8.0", []string{"gzip", "bzip2", "xz"}}
	rhel8 := Reader{"RHEL 8", "4.14.3", []string{"gzip", "bzip2", "xz", "zstd"}}
	const md5, format4 = "_binary_filedigest_algorithm 1", "_rpmformat 4"
	for name, tt := range map[string]struct {
		payload string
		defines []string
		by      Reader
		want    string // in the reasons; "" for none
	}{
		"gzip and MD5 on 4.4":     {"w6.gzdio", []string{md5, format4}, rhel5, ""},
		"gzip and SHA-256 on 4.4": {"w6.gzdio", []string{format4}, rhel5, "rpmlib(FileDigests) of rpm, which came with 4.6.0"},
		"gzip and SHA-256 on 4.8": {"w6.gzdio", []string{format4}, rhel6, ""},
		"xz on 4.4":               {"w6.xzdio", []string{md5, format4}, rhel5, "compressed by xz"},
		"xz on 4.8":               {"w6.xzdio", []string{format4}, rhel6, ""},
		"zstd on 4.8":             {"w3.zstdio", []string{format4}, rhel6, "compressed by zstd"},
		"zstd on 4.14":            {"w3.zstdio", []string{format4}, rhel8, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, path := rpmbuild(t, tt.payload, tt.defines...)
			f, err := Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got := strings.Join(f.Unreadable(tt.by), "; ")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Packages as rpm 6 writes them by default are for no system that has an older one.
func TestFormat6IsUnreadable(t *testing.T) {
	for format, want := range map[int]int{4: 0, 6: 1} {
		f := open(t, packet{format: format, members: []member{{name: "/a", mode: 0o100644, content: "x"}}}.write(t))
		if got := f.Unreadable(Reader{"RHEL 9", "4.16.1", []string{"gzip"}}); len(got) != want {
			t.Errorf("format %d: %q", format, got)
		}
	}
}
