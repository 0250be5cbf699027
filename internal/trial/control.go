// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmfile"
)

// IsControl refuses a snapshot that does not hold the kernel of another without its patch. It
// is told before a guest is booted for it.
func IsControl(ctx context.Context, control, patched *datastore.Reader) error {
	c, p := control.Manifest, patched.Manifest
	fail := func(why string) error {
		return job.BadRequest(fmt.Errorf("take %s as the control of %s: %s", c.Snapshot, p.Snapshot, why))
	}
	switch {
	case c.Snapshot == p.Snapshot:
		return fail("they are one snapshot; a control is the same kernel without the patch, from ovzpatch build --without-patch --store")
	case c.Port.Name == datastore.UnknownPort:
		return fail("which patch it has, if any, is unknown" + because(c) + "; take one of which that is known, from ovzpatch build --without-patch --store")
	case c.Port.Name != "":
		return fail("it has the patch, too; build it with ovzpatch build --without-patch --store")
	case p.Port.Name == "":
		return fail("that one has no patch")
	case c.Snapshot.Type != p.Snapshot.Type || c.Snapshot.ID != p.Snapshot.ID:
		return fail("they are not the same kernel for the same architecture")
	case c.Source.SHA256 != "" && c.Source.SHA256 == p.Source.SHA256:
		return nil
	}
	if err := sameSources(ctx, control, patched); err != nil {
		return fail("they were not built from the same source: " + err.Error())
	}
	return nil
}

// because is why the port of a snapshot is unknown.
func because(m *datastore.Manifest) string {
	if m.Derived == "" {
		return ""
	}
	return " (" + m.Derived + ")"
}

// sameSources compares source packages, of builds whose own source is another file: that of a
// build elsewhere has the patch in it. But for the spec and the patch they must hold the same files.
func sameSources(ctx context.Context, control, patched *datastore.Reader) error {
	c, err := openSource(ctx, control)
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := openSource(ctx, patched)
	if err != nil {
		return err
	}
	defer p.Close()
	if c.DigestAlgorithm != p.DigestAlgorithm {
		return fmt.Errorf("their source packages have digests of two kinds, %s and %s, which cannot be compared", c.DigestAlgorithm, p.DigestAlgorithm)
	}
	spec := func(e rpmfile.Entry) bool { return e.Flags&rpmfile.FileSpec != 0 || strings.HasSuffix(e.Name, ".spec") }
	for _, e := range c.Files {
		if spec(e) {
			continue
		}
		i := slices.IndexFunc(p.Files, func(o rpmfile.Entry) bool { return o.Name == e.Name })
		if i < 0 || p.Files[i].Digest != e.Digest || e.Digest == "" {
			return fmt.Errorf("%s differs in their source packages", e.Name)
		}
	}
	for _, e := range p.Files {
		if _, both := c.Find(e.Name); !both && !spec(e) && e.Name != patched.Manifest.Port.Name {
			if m := patched.Manifest; m.Port.Name == datastore.UnknownPort {
				return fmt.Errorf("the source package of the patched kernel has %s besides, and whether that is its patch is unknown%s", e.Name, because(m))
			}
			return fmt.Errorf("the source package of the patched kernel has %s besides the patch", e.Name)
		}
	}
	return nil
}

// openSource opens the source package of a snapshot.
func openSource(ctx context.Context, r *datastore.Reader) (*rpmfile.File, error) {
	for _, f := range r.Manifest.Files {
		if strings.HasSuffix(f.Name, ".src.rpm") || strings.HasSuffix(f.Name, ".nosrc.rpm") {
			return rpmfile.Open(ctx, r.Path(f.Name))
		}
	}
	return nil, errors.New(r.Manifest.Snapshot.String() + " has no source package to compare")
}
