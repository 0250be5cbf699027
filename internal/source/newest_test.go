// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"os"
	"path/filepath"
	"testing"

	"ovzpatch/internal/source"
)

// The default source is that of the machine's own release, whatever its number.
func TestNewestSource(t *testing.T) {
	for name, tt := range map[string]struct {
		files []string
		want  string
	}{
		"none":          {nil, ""},
		"Debian 12":     {[]string{"linux-source-6.1.tar.xz", "linux-config-6.1"}, "linux-source-6.1.tar.xz"},
		"from 12 to 13": {[]string{"linux-source-6.1.tar.xz", "linux-source-6.12.tar.xz"}, "linux-source-6.12.tar.xz"},
		"sid":           {[]string{"linux-source-6.12.tar.xz", "linux-source-7.2.tar.xz", "linux-source-6.9.tar.xz"}, "linux-source-7.2.tar.xz"},
		"Ubuntu":        {[]string{"linux-source-5.15.0.tar.bz2", "linux-source-5.4.0.tar.bz2"}, "linux-source-5.15.0.tar.bz2"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, f), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want := tt.want
			if want != "" {
				want = filepath.Join(dir, want)
			}
			if got := source.Newest(filepath.Join(dir, filepath.Base(source.Debian))); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
