// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/keyring"
	"ovzpatch/internal/report"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/tool"
)

// kernelFlags say which kernel a guest boots.
type kernelFlags struct {
	devel   string
	image   string
	modules string
	key     keyFlags
	lustre  lustreFlags
}

func (f *kernelFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.devel, "devel", "", "the kernel's -devel package, which the probe is built against (default: the one beside RPM)")
	c.Flags().StringVar(&f.image, "kernel", "", "boot this bare kernel image instead of a package; takes --modules")
	c.Flags().StringVar(&f.modules, "modules", "", "the bare kernel's /lib/modules/RELEASE, whose build link leads to where it was compiled")
	c.MarkFlagsRequiredTogether("kernel", "modules")
	f.key.register(c)
	f.lustre.register(c)
	c.MarkFlagsMutuallyExclusive("kernel", "devel")
	c.MarkFlagsMutuallyExclusive("kernel", "keyring")
}

// check tells whether the arguments and flags name exactly one kernel, and what belongs
// to a Lustre of the user's fits together.
func (f *kernelFlags) check(c *cobra.Command, args []string) error {
	if (len(args) == 1) == (f.image != "") {
		return job.BadRequest(fmt.Errorf("name one kernel: a kernel package, or --kernel and --modules; see %s --help", c.CommandPath()))
	}
	return f.lustre.check()
}

// parts gives the kernel that args and flags name, unpacked below dir, with the probe or
// with a Lustre of the user's.
func (f *kernelFlags) parts(ctx context.Context, u job.Reporter, a *app, args []string, dir string) (*kernelParts, error) {
	parts, err := f.kernel(ctx, u, a, args, dir)
	if err == nil && f.lustre.given() {
		parts.Lustre, err = f.lustre.load(ctx, u, parts, dir)
	}
	return parts, err
}

// kernel is parts without a Lustre of the user's.
func (f *kernelFlags) kernel(ctx context.Context, u job.Reporter, a *app, args []string, dir string) (*kernelParts, error) {
	probe := !f.lustre.given()
	if f.image != "" {
		modules, err := filepath.EvalSymlinks(f.modules)
		if err != nil {
			return nil, job.BadRequest(err)
		}
		return fromTree(ctx, f.image, modules, dir, probe)
	}
	packages := []string{args[0]}
	if probe {
		devel := f.devel
		if devel == "" {
			var err error
			if devel, err = kernelrpm.FindDevel(ctx, args[0]); err != nil {
				return nil, err
			}
		}
		packages = append(packages, devel)
	}
	if f.key.keyring != "" {
		for _, path := range packages {
			if err := keyring.VerifyFile(ctx, u, path, f.key.keyring); err != nil {
				return nil, err
			}
		}
	}
	if !probe {
		k, err := kernelrpm.Unpack(ctx, args[0], dir)
		return &kernelParts{Kernel: k}, err
	}
	return a.fromPackages(ctx, args[0], packages[1], dir)
}

// ready tells what is missing before anything slow is begun: a file that is named, and a
// program. A kept kernel is looked for in its datastore.
func (f *kernelFlags) ready(args []string, kept bool) error {
	named := append([]string{f.devel, f.image, f.modules, f.lustre.setup}, f.lustre.from...)
	if !kept {
		named = append(named, args...)
	}
	if err := needFiles(append(named, f.key.keyring)...); err != nil {
		return err
	}
	if f.lustre.given() {
		return tool.Need(tool.Guest)
	}
	return tool.Need(tool.Guest, tool.Probe)
}

// needFiles refuses names of nothing; "" is not named.
func needFiles(named ...string) error {
	for _, path := range named {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return job.BadRequest(err)
		}
	}
	return nil
}

func newTest(a *app) *cobra.Command {
	var (
		kernel kernelFlags
		test   testFlags
		expect string
		store  string
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "test RPM|SNAPSHOT",
		Short: "Boot a kernel package in QEMU and find out whether it is protected",
		Long: `test boots the kernel of RPM exactly as it would ship, loads a probe module built
against its -devel package that stands in for Lustre, and tries in containers and
outside what umount2(MNT_FORCE) does. The verdict is protected, vulnerable, faulty
(as neither a patched nor an unpatched kernel does) or inconclusive.

With --lustre your own Lustre takes the place of the probe: its modules are loaded, the
script given with --lustre-setup is run, and the source given with --mount is mounted.
If that does not come up, the exit code is 1, for nothing is known of the kernel then.

With --store the argument is a snapshot of that datastore, as ovzpatch store list shows
it, and the verdict goes into the snapshot's manifest.
` + exitLongText,
		Example: `  ovzpatch test kernel-ovz-6.1.192-1.lustre1.x86_64.rpm --expect=protected
  ovzpatch test kernel-2.6.18-92.i686.rpm --devel kernel-devel-2.6.18-92.i686.rpm
  ovzpatch test --store builds kernel/kernel-ovz.x86_64/2026-11-20T22:05:00Z
  ovzpatch test kernel.rpm --lustre lustre-root --lustre-setup setup.sh --mount 10.0.0.1@tcp:/lustre
  ovzpatch test --kernel arch/x86/boot/bzImage --modules /tmp/root/lib/modules/6.1.192`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, u := c.Context(), newUI(c.ErrOrStderr())
			if err := kernel.check(c, args); err != nil {
				return err
			}
			if expect != "" && expect != string(guest.Protected) && expect != string(guest.Vulnerable) {
				return job.BadRequest(fmt.Errorf("--expect=%s: it is protected or vulnerable", expect))
			}
			if err := test.check(); err != nil {
				return err
			}
			if err := kernel.ready(args, store != ""); err != nil {
				return err
			}
			var kept *datastore.Store
			var snap *datastore.Reader
			if store != "" && len(args) == 1 {
				var err error
				if kept, snap, err = openSnapshot(ctx, store, args[0]); err != nil {
					return err
				}
				defer snap.Close()
				kernels, err := snapshotBuild(snap).kernels(ctx)
				if err != nil {
					return err
				}
				if len(kernels) > 1 {
					u.Say("the snapshot holds %d kernels; this tests %s", len(kernels), filepath.Base(kernels[0].Kernel))
				}
				args[0], kernel.devel = kernels[0].Kernel, kernels[0].Devel
			}
			accel, err := a.accelerator(ctx, u)
			if err != nil {
				return err
			}
			dir, remove, err := scratch.New("", "kernel")
			if err != nil {
				return fmt.Errorf("unpack kernel: %w", err)
			}
			defer remove()
			t := trial{label: "this kernel", expect: guest.Verdict(expect), accel: accel, flags: test}
			if len(args) == 1 {
				t.pkg = filepath.Base(args[0])
			}
			if t.parts, err = kernel.parts(ctx, u, a, args, dir); err != nil {
				return err
			}
			k, err := a.try(ctx, u, t)
			if err != nil {
				return err
			}
			if snap != nil {
				if err := keepVerdict(ctx, kept, snap.Ref, k); err != nil {
					return err
				}
			}
			return finish(c, &report.Report{Accel: accel.Name, Kernels: []report.Kernel{*k}}, asJSON)
		},
	}
	kernel.register(c)
	test.register(c)
	c.Flags().StringVar(&store, "store", "", "test a snapshot of this datastore, and note the verdict there")
	c.MarkFlagsMutuallyExclusive("store", "kernel")
	c.MarkFlagsMutuallyExclusive("store", "devel")
	c.Flags().StringVar(&expect, "expect", "", "the verdict that is right: protected or vulnerable; another one ends with exit code 4")
	c.Flags().BoolVar(&asJSON, "json", false, "write the report as JSON")
	c.RegisterFlagCompletionFunc("expect", cobra.FixedCompletions([]string{"protected", "vulnerable"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// openSnapshot opens a snapshot of a datastore, which stays whole until it is closed.
func openSnapshot(ctx context.Context, dir, name string) (*datastore.Store, *datastore.Reader, error) {
	s, err := openStore(dir)
	if err != nil {
		return nil, nil, err
	}
	ref, err := datastore.ParseRef(name)
	if err != nil {
		return nil, nil, job.BadRequest(err)
	}
	snap, err := s.OpenSnapshot(ctx, ref)
	if err != nil {
		return nil, nil, err
	}
	if err := snap.Whole(); err != nil {
		return nil, nil, errors.Join(err, snap.Close())
	}
	return s, snap, nil
}

// tryPackages boots the kernel of a package with the probe built against another.
func (a *app) tryPackages(ctx context.Context, u job.Reporter, kernel, devel string, t trial) (*report.Kernel, error) {
	dir, remove, err := scratch.New("", "kernel")
	if err != nil {
		return nil, fmt.Errorf("unpack kernel: %w", err)
	}
	defer remove()
	t.pkg = filepath.Base(kernel)
	if t.parts, err = a.fromPackages(ctx, kernel, devel, dir); err != nil {
		return nil, err
	}
	return a.try(ctx, u, t)
}
