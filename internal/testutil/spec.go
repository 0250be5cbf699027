// SPDX-License-Identifier: Apache-2.0

package testutil

// KernelSpec is a small spec around what a test is about.
func KernelSpec(release, preamble, prep string) string {
	return "Name: kernel\nVersion: 5.14.0\nRelease: " + release + "\nSummary: s\nLicense: GPLv2\nSource0: linux-5.14.0.tar.gz\n" +
		preamble + "\n%description\nd\n\n%prep\n" + prep + "\n%build\n"
}
