// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/source"
	"ovzpatch/internal/srpm"
)

// Exit codes, as the design page promises them.
const (
	exitFailed   = 1 // a tool, the build or the guest's machinery failed
	exitUsage    = 2
	exitMisfit   = 3 // the patch does not fit or is misplaced
	exitBehaved  = 4 // the kernel was tried, and did not behave as expected
	exitUnknown  = 5 // the kernel was tried, and there is no telling
	exitLongText = `Exit codes: 0 done and, where it was asked, as expected; 1 a tool, the build or the
guest's machinery failed; 2 usage, as a named file that is not there; 3 the patch
does not fit or is misplaced; 4 the kernel was tried and did not behave as expected;
5 it was tried and the verdict is inconclusive.`
)

// coded is an error with an exit code that no job knows.
type coded struct {
	code int
	err  error
}

func (e *coded) Error() string { return e.err.Error() }
func (e *coded) Unwrap() error { return e.err }

func usage(err error) error { return job.BadRequest(err) }

// exitCode is the one place where an error becomes a number.
func exitCode(err error) int {
	var c *coded
	switch {
	case err == nil:
		return 0
	case errors.As(err, &c):
		return c.code
	case errors.Is(err, job.ErrRequest):
		return exitUsage
	case errors.Is(err, job.ErrMisfit), errors.As(err, new(*patch.NotApplicable)), errors.As(err, new(*gate.Error)),
		errors.As(err, new(*srpm.SpecError)), errors.As(err, new(*srpm.NotProven)), errors.Is(err, kernel.ErrNoLine):
		return exitMisfit
	case errors.Is(err, job.ErrBehaved):
		return exitBehaved
	case errors.Is(err, job.ErrNoVerdict):
		return exitUnknown
	case errors.As(err, new(*patch.ParseError)),
		errors.Is(err, kernel.ErrNotKernel), errors.Is(err, source.ErrUnknown), errors.Is(err, source.ErrNoTarball):
		return exitUsage
	}
	return exitFailed
}

// newRoot makes the whole command tree; tests call it in-process.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ovzpatch",
		Short: "Patch, build and prove kernels that keep containers from forcing the umount of Lustre",
		Long: `ovzpatch takes a kernel source (a source RPM, a tarball or an unpacked tree), puts in
the patch that drops MNT_FORCE when a container unmounts Lustre, builds RPMs with
rpmbuild, and boots the built kernel in QEMU to prove that the patch does what it
promises and that the same kernel without it does not.

Results go to standard output, progress to standard error.
` + exitLongText,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,

		SuggestionsMinimumDistance: 2,
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	app := &app{home: home()}
	root.PersistentFlags().StringVar(&app.cacheDir, "cache-dir", defaultCache(),
		"where expensive results are kept by content")
	root.PersistentPreRunE = func(*cobra.Command, []string) (err error) {
		if app.cacheDir == "" {
			return usage(errors.New("--cache-dir: it must name a directory"))
		}
		// Programs that work in there are run in other directories.
		app.cacheDir, err = filepath.Abs(app.cacheDir)
		return err
	}
	root.PersistentFlags().Lookup("cache-dir").DefValue = "$XDG_CACHE_HOME/ovzpatch"
	root.AddCommand(
		newCheck(app),
		newApply(app),
		newPort(app),
		newSRPM(app),
		newBuild(app),
		newInspect(app),
		newTest(app),
		newRun(app),
		newShell(app),
		newStore(app),
		newDoctor(app),
		newMan(),
	)
	root.SetHelpCommand(newHelp())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if !c.Runnable() {
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
		wrapArgs(c)
	}
	return root
}

// noSuchCommand refuses what is left where a command was to be named.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	said := fmt.Sprintf("unknown command %q", args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		said += "; is it " + strings.Join(near, " or ") + "?"
	}
	return usage(fmt.Errorf("%s (see %s --help)", said, c.CommandPath()))
}

// newHelp is help for a command, which must be one.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(c *cobra.Command, args []string) error {
			about, left, err := c.Root().Find(args)
			if err != nil || len(left) > 0 {
				if about == nil {
					about = c.Root()
				}
				return noSuchCommand(about, args[len(args)-max(len(left), 1):])
			}
			return about.Help()
		},
	}
}

// wrapArgs makes a wrong number of arguments a usage error, in every subcommand, and
// flags that are missing or exclude each other.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usage(errors.New(err.Error() + "; see " + c.CommandPath() + " --help"))
			}
			if err := errors.Join(c.ValidateRequiredFlags(), c.ValidateFlagGroups()); err != nil {
				return usage(err)
			}
			return nil
		}
	}
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			err := run(c, args)
			if exitCode(err) == exitFailed && missingInput(c, args, err) {
				return usage(err)
			}
			return err
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}

// missingInput tells whether a command failed for nothing else than that a file which the
// command line names, as an argument or in a flag, is not there. That is usage, in every
// command.
func missingInput(c *cobra.Command, args []string, err error) bool {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(all.Unwrap(), func(e error) bool { return !missingInput(c, args, e) })
	}
	var path *fs.PathError
	if !errors.As(err, &path) || !errors.Is(path, fs.ErrNotExist) {
		return false
	}
	named := slices.Clone(args)
	c.Flags().Visit(func(f *pflag.Flag) { named = append(named, f.Value.String()) })
	return slices.ContainsFunc(named, func(name string) bool {
		return name != "" && absolute(name) == absolute(path.Path)
	})
}

func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}

// app is what all subcommands share.
type app struct {
	cacheDir string
	home     string // where this program lies
}

// home is the directory of this program, links resolved; "" where that can't be told.
func home() string {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return ""
	}
	return filepath.Dir(exe)
}

// defaultCache is $XDG_CACHE_HOME/ovzpatch or its usual place.
func defaultCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return filepath.Join(os.TempDir(), fmt.Sprintf("ovzpatch-cache-%d", os.Geteuid()))
	}
	return filepath.Join(dir, "ovzpatch")
}
