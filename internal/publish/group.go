// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"encoding/xml"
	"slices"
)

// groupID is what clients know the group of all kernels by: dnf group install ovzpatch-kernels.
const groupID = "ovzpatch-kernels"

// comps is the form of comps.xml, which lists groups of packages.
type comps struct {
	XMLName xml.Name `xml:"comps"`
	Group   struct {
		ID          string `xml:"id"`
		Name        string `xml:"name"`
		Description string `xml:"description"`
		Default     bool   `xml:"default"`
		UserVisible bool   `xml:"uservisible"`
		Packages    struct {
			List []groupPackage `xml:"packagereq"`
		} `xml:"packagelist"`
	} `xml:"group"`
}

type groupPackage struct {
	Type string `xml:"type,attr"`
	Name string `xml:",chardata"`
}

// group is the content of comps.xml: one group, of the kernels, with their -devel packages for who
// asks for optional ones.
func group(r *Record) ([]byte, error) {
	var c comps
	c.Group.ID, c.Group.Name, c.Group.UserVisible = groupID, title, true
	c.Group.Description = "Kernels that were booted and found to protect Lustre against umount -f in a container."
	if r.Unproved {
		c.Group.Description = "Kernels with a patch against umount -f of Lustre in a container. NOT all of them were proved."
	}
	kernels := r.Kernels()
	var names []string
	for _, p := range r.Packages {
		is := groupPackage{"default", p.Name}
		switch {
		case p.Source || slices.Contains(names, p.Name):
			continue
		case p.Kernel:
		case slices.ContainsFunc(kernels, func(k Package) bool { return isDevel(p, k) }):
			is.Type = "optional"
		default:
			continue
		}
		names = append(names, p.Name)
		c.Group.Packages.List = append(c.Group.Packages.List, is)
	}
	b, err := xml.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(b, '\n')...), nil
}
