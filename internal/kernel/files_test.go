// SPDX-License-Identifier: Apache-2.0

package kernel

import "testing"

func TestImageRelease(t *testing.T) {
	for path, want := range map[string]string{
		"/boot/vmlinuz-2.6.18-92.el5":       "2.6.18-92.el5",
		"/lib/modules/6.1.0/vmlinuz":        "6.1.0",
		"/usr/lib/modules/6.1.0/vmlinuz":    "6.1.0",
		"/usr/lib/modules/vmlinuz":          "",
		"/usr/lib/modules/6.1.0/x/vmlinuz":  "",
		"/lib/modules/6.1.0/.vmlinuz.hmac":  "",
		"/boot/.vmlinuz-6.1.0.hmac":         "",
		"/boot/vmlinuz-":                    "",
		"/usr/share/modules/6.1.0/vmlinuz":  "",
		"/boot/vmlinuz-6/../etc":            "",
		"/usr/lib/modules/6.1.0/vmlinuz.gz": "",
	} {
		release, ok := ImageRelease(path)
		if ok != (want != "") || ok && release != want {
			t.Errorf("%s: %q, %v", path, release, ok)
		}
	}
	for path, want := range map[string]bool{
		"/lib/modules/6/kernel/a.ko": true, "/usr/lib/modules/6/kernel/a.ko.zst": true,
		"/usr/share/a.ko": false, "/lib/modules/6/modules.dep": false,
	} {
		if IsModule(path) != want {
			t.Errorf("%s: want %v", path, want)
		}
	}
}
