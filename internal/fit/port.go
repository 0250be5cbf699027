// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/patch"
	"ovzpatch/patches"
)

// MakefileName is the file that tells which kernel a source is.
const MakefileName = "Makefile"

// RhelverFile is what Red Hat's Makefile includes; few other kernels have it.
const RhelverFile = "Makefile.rhelver"

// Port says which patch is wanted. Both empty is the port of the kernel's own line.
type Port struct {
	Line string // the port of another line
	File string // a patch file in place of a port of ours
	// Derive says when a port is derived; in Choose it is not.
	Derive Deriving
}

// Choice is a kernel, and the patch for it.
type Choice struct {
	Kernel kernel.Kernel
	Line   string // the kernel's own, or Port.Line; "" where Port.File goes on an unknown kernel
	Name   string // file name of the patch
	Port   []byte
	Tried  []string // what the port's header says it was tried on
	// Derived is what a port says that is none of ours; nil for others.
	Derived *Derived
}

// Choose finds the kernel of the source at path and its patch, from its Makefiles and from the
// release of the source RPM that it came in. Sources that are no kernel's take the patch the
// user names.
func Choose(path string, makefile, rhelver []byte, release string, port Port) (Choice, error) {
	c := Choice{Name: port.name()}
	var err error
	if c.Kernel, err = kernel.Identify(makefile, rhelver); err != nil && port.File == "" {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	if err == nil {
		c.Kernel.InPackage(release)
	}
	err = c.choose(port)
	return c, err
}

// Check refuses what no source has, before one is read.
func (p Port) Check() error {
	if p.Line != "" {
		if _, err := patches.ForLine(p.Line); err != nil {
			return job.BadRequest(fmt.Errorf("--line=%s: %w", p.Line, err))
		}
	}
	if p.File != "" {
		if st, err := os.Stat(p.File); err != nil {
			return job.BadRequest(fmt.Errorf("read patch: %w", err))
		} else if st.IsDir() {
			return job.BadRequest(fmt.Errorf("read patch %s: it is a directory", p.File))
		}
	}
	return nil
}

// checkStrip refuses a number of directories that leaves nothing of the names in the patch,
// which no source has to be read for.
func (p Port) checkStrip(strip int) error {
	if strip < 0 {
		return nil // the names say it; a pipe can be read once only
	}
	texts := map[string][]byte{}
	if p.File != "" {
		texts[p.name()], _ = os.ReadFile(p.File) // what is wrong with it is told where it is used
	} else {
		for _, line := range patches.Lines() {
			port, err := patches.ForLine(line)
			if err != nil {
				return err
			}
			texts[patches.Name+" of "+line] = port.Data
		}
	}
	for name, text := range texts {
		read, err := patch.Parse(name, text)
		if err != nil || len(read.Files) == 0 {
			return nil
		}
		if most, shortest := read.MostStrip(); strip > most {
			return job.BadRequest(fmt.Errorf("--strip=%d: nothing is left of the name %s in the patch: use 0 to %d, or leave --strip out", strip, shortest, most))
		}
	}
	return nil
}

// name is the file name of the patch.
func (p Port) name() string {
	if p.File != "" {
		return filepath.Base(p.File)
	}
	return patches.Name
}

func (c *Choice) choose(want Port) error {
	line, lineErr := c.Kernel.Line()
	c.Line = string(line)
	if want.Line != "" {
		c.Line = want.Line
	}
	if want.File != "" {
		data, err := os.ReadFile(want.File)
		if err != nil {
			return job.BadRequest(fmt.Errorf("read patch: %w", err))
		}
		c.Port = data
		return nil
	}
	if c.Line == "" {
		return fmt.Errorf("choose port: %w; use --line (one of %s) or --patch FILE", lineErr, strings.Join(patches.Lines(), ", "))
	}
	p, err := patches.ForLine(c.Line)
	if err != nil {
		if want.Line != "" {
			return job.BadRequest(err)
		}
		return job.Misfit(fmt.Errorf("choose port: %w", err))
	}
	c.Port, c.Tried = p.Data, p.Tried
	return nil
}
