// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"fmt"
	"slices"
	"strings"

	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/tool"
)

// Options say what is published, and how.
type Options struct {
	To         string   // the repository's directory
	Names      []string // groups, and snapshots, of the datastore
	Namespaces []string // all groups below these namespaces, besides Names
	Latest     int      // of each group this many of the newest that may be published; 0 for all
	Archs      []string // nil for all
	Profiles   []string // names; nil for Modern
	URL        string   // where clients find the directory, for .repo files; "" for none

	Key     string // what gpg knows the key by
	GPGHome string // "" for the user's own
	// OwnGPGHome is which that is, "" where that is not known.
	OwnGPGHome string

	WithoutControl bool // do without the verdict on the kernel without the patch
	AllowUnproved  bool // publish kernels that nobody proved, and mark the repository
	Resign         bool // put our signature in the place of others'
	Keep           int  // generations that stay: 2 or more, DefaultKeep where nobody says

	Advisory *Advisory // a security notice of the newest kernels, nil for none

	Report job.Reporter
}

// DefaultKeep is how many generations stay.
const DefaultKeep = 5

// tools are the programs that publishing needs.
func tools(profiles []Profile) []tool.Tool {
	need := slices.Clone(tool.Publish)
	if profiles[0] == RHEL5 {
		need = append(need, tool.GnuPG1)
	}
	return need
}

// Check refuses options that cannot be, and completes the others.
func (o *Options) Check() error {
	if err := checkPlace(o.To); err != nil {
		return err
	}
	if o.Latest < 0 {
		return job.BadRequest(fmt.Errorf("--latest=%d: it must be 1 or more", o.Latest))
	}
	if o.Keep < 2 {
		return job.BadRequest(fmt.Errorf("--keep=%d: it must be 2 or more, as clients may still be reading the generation before", o.Keep))
	}
	for _, arch := range o.Archs {
		if _, err := kernel.Arch(arch); err != nil {
			return job.BadRequest(fmt.Errorf("--arch=%s: kernels are for x86_64, i386, i486, i586 or i686; noarch and source packages are published in any case", arch))
		}
	}
	if err := checkURL(o.URL); err != nil {
		return err
	}
	if o.Advisory != nil {
		if err := o.Advisory.check(); err != nil {
			return err
		}
	}
	_, err := o.profiles()
	return err
}

// profiles are the profiles that were asked for, the oldest clients' first.
func (o *Options) profiles() ([]Profile, error) {
	if len(o.Profiles) == 0 {
		return []Profile{Modern}, nil
	}
	asked := map[Profile]bool{}
	for _, name := range o.Profiles {
		p, err := ParseProfile(name)
		if err != nil {
			return nil, err
		}
		asked[p] = true
	}
	return slices.DeleteFunc(slices.Clone(Profiles), func(p Profile) bool { return !asked[p] }), nil
}

// goOn takes over what was not said this time: clients that come through a .repo file or a profile
// would find nothing any more.
func (o *Options) goOn(last *Record) {
	if o.URL == "" && last.URL != "" {
		o.URL = last.URL
		o.Report.Say("--url is that of generation %d: %s", last.Number, o.URL)
	}
	var profiles []string
	for _, p := range last.Profiles {
		profiles = append(profiles, string(p))
	}
	if len(o.Profiles) == 0 {
		if o.Profiles = profiles; !slices.Equal(last.Profiles, []Profile{Modern}) {
			o.Report.Say("--profile is that of generation %d: %s", last.Number, strings.Join(profiles, ","))
		}
		return
	}
	for _, p := range profiles {
		if !slices.Contains(o.Profiles, p) {
			o.Report.Say("WARNING: generation %d has a repository for profile %s, and the new one will not: its clients will get errors", last.Number, p)
		}
	}
}
