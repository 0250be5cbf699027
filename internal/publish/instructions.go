// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/evidence"
)

// instructions say how each generation of clients comes to the kernels.
func (s *stage) instructions(kernels []Package) (list []evidence.Client, err error) {
	var names []string
	for _, k := range kernels {
		if !slices.Contains(names, k.Name) {
			names = append(names, k.Name)
		}
	}
	slices.Sort(names)
	install := strings.Join(names, " ")
	base := strings.TrimRight(s.rec.URL, "/") + "/" + currentLink
	for _, p := range s.rec.Profiles {
		file := repoFileName(p)
		clients := map[Profile][]string{RHEL5: {"RHEL 5: yum"}, RHEL6: {"RHEL 6 and 7: yum"}, Modern: {"RHEL 8 and later, Fedora: dnf", "SUSE: zypper"}}[p]
		for i, name := range clients {
			c := evidence.Client{Name: name}
			if s.rec.URL == "" {
				c.Note = fmt.Sprintf("It was published without --url, so that there is no .repo file. baseurl is the address of this page's directory and %s, gpgkey that and %s.", p, keyFile)
				list = append(list, c)
				continue
			}
			program, dir := "yum", "/etc/yum.repos.d"
			switch {
			case p == Modern && i == 0:
				program = "dnf"
			case p == Modern:
				program, dir = "zypper", "/etc/zypp/repos.d" // zypper 1.14.101 adds no .repo file without a baseurl, and reads it there
			}
			get := fmt.Sprintf("curl -fo %s/%s %s/%[2]s", dir, file, base)
			c.Commands = []string{fmt.Sprintf("rpm --import %s/%s", base, keyFile), get, program + " install " + install}
			if i == 0 {
				text, err := os.ReadFile(filepath.Join(s.dir, file))
				if err != nil {
					return nil, err
				}
				c.RepoFile, c.Text = file, string(text)
			}
			list = append(list, c)
		}
	}
	return list, nil
}

// repoFileName is the .repo file of a profile.
func repoFileName(p Profile) string { return "ovzpatch-" + string(p) + ".repo" }
