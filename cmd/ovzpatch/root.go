// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/cache"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/plainfile"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/settings"
	"ovzpatch/internal/source"
	"ovzpatch/internal/spec"
	"ovzpatch/internal/srpm"
	"ovzpatch/internal/tool"
	"ovzpatch/internal/trial"
	"ovzpatch/internal/version"
)

// exitCode is the one place where an error becomes a number.
func exitCode(err error) int {
	var shell trial.ExitStatus
	var by *stopped
	switch {
	case err == nil:
		return 0
	case errors.As(err, &by):
		return 128 + int(by.signal)
	case errors.As(err, &shell):
		return int(shell)
	case errors.Is(err, job.ErrRequest), errors.Is(err, datastore.ErrNotFound), errors.Is(err, datastore.ErrNoGroup):
		return job.CodeRefused
	case errors.Is(err, job.ErrMisfit), errors.As(err, new(*patch.NotApplicable)), errors.As(err, new(*gate.Error)),
		errors.As(err, new(*spec.Error)), errors.As(err, new(*srpm.NotProven)), errors.Is(err, kernel.ErrNoLine):
		return job.CodeMisfit
	case errors.Is(err, job.ErrBehaved):
		return job.CodeBehaved
	case errors.Is(err, job.ErrNoVerdict):
		return job.CodeNoVerdict
	case errors.As(err, new(*patch.ParseError)),
		errors.Is(err, kernel.ErrNotKernel), errors.Is(err, source.ErrUnknown), errors.Is(err, source.ErrNoTarball), errors.Is(err, source.ErrAmbiguous), errors.Is(err, plainfile.ErrNotPlain):
		return job.CodeRefused
	}
	return job.CodeFailed
}

// newRoot makes the whole command tree; tests call it in-process.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "ovzpatch",
		Short:         "Patch, build and prove kernels that keep containers from forcing the umount of Lustre",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	app := &app{home: home()}
	app.progress.register(root)
	root.PersistentFlags().StringVar(&app.cacheDir, "cache-dir", defaultCache(),
		"where to keep expensive results, by content")
	root.PersistentPreRunE = app.prepare
	root.PersistentFlags().Lookup("cache-dir").DefValue = "$XDG_CACHE_HOME/ovzpatch"
	root.AddCommand(
		newCheck(app),
		newApply(app),
		newPort(app),
		newSRPM(app),
		newBuild(app),
		newInspect(app),
		newTest(app),
		newLivepatch(app),
		newRun(app),
		newMatrix(app),
		newShell(app),
		newExec(app),
		newStore(app),
		newPublish(app),
		newCache(app),
		newConfig(app),
		newDoctor(app),
		newVersion(app),
		newMan(),
	)
	root.Version = version.This().String()
	root.SetVersionTemplate("{{.Version}}\n")
	cmdline.Strict(root, judged)
	explain(root)
	return root
}

// judged returns a command's error with what to do where temporary files have no room, and as usage if the
// command failed for nothing else than a file that its command line names.
func judged(c *cobra.Command, args []string, err error) error {
	err = scratch.Explain(err)
	if exitCode(err) == job.CodeFailed && cmdline.WrongInput(c, args, err) {
		return usage(err)
	}
	return err
}

// usage marks an error as one of what was asked.
func usage(err error) error { return job.BadRequest(err) }

// app is what all subcommands share.
type app struct {
	cacheDir string
	home     string // where this program lies
	progress progressFlags
	settings []settings.Setting // for all calls
	outputs  []string           // what this call may write
}

// prepare takes the settings over, and checks what is the same for all commands.
func (a *app) prepare(c *cobra.Command, args []string) error {
	var err error
	if a.settings, err = settings.Read(os.Getenv, settingsFile()); err != nil {
		return err
	}
	if err := applySettings(c, a.settings); err != nil {
		return err
	}
	if err := a.progress.check(); err != nil {
		return err
	}
	if err := cmdline.CheckReplaced(c, args); err != nil {
		return err
	}
	warnOfStrangers(c)
	// Programs that work in there are run in other directories.
	if a.cacheDir, err = filepath.Abs(a.cacheDir); err != nil {
		return err
	}
	a.outputs = append(cmdline.Outputs(c), a.cacheDir)
	return nil
}

// trial is how guests run for a command.
func (a *app) trial(u job.Reporter) trial.Options {
	return trial.Options{Cache: a.cache(u), Home: a.home, Report: u}
}

// cache is the cache, and u is told what in it is damaged.
func (a *app) cache(u job.Reporter) cache.Cache { return cache.Cache{Dir: a.cacheDir, Say: u.Say} }

// ready tells before the work whether its tools are there and results can be kept.
func (a *app) ready(tools ...[]tool.Tool) error {
	if err := tool.Need(tools...); err != nil {
		return err
	}
	if err := (cache.Cache{Dir: a.cacheDir}).Ready(); err != nil {
		return usage(err)
	}
	return nil
}

// home is the directory of this program, links resolved; "" where that can't be told. The scripts of the tests have another.
var home = func() string {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return ""
	}
	return filepath.Dir(exe)
}

// userDir is the directory that an XDG variable names, or its usual place below the home directory. A relative
// path there counts as none, as the XDG specification says.
func userDir(variable, usual string) (string, error) {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return dir, nil
	}
	dir, err := os.UserHomeDir()
	return filepath.Join(dir, usual), err
}

// defaultCache is $XDG_CACHE_HOME/ovzpatch or its usual place.
func defaultCache() string {
	dir, err := userDir("XDG_CACHE_HOME", ".cache")
	if err != nil {
		return filepath.Join(os.TempDir(), fmt.Sprintf("ovzpatch-cache-%d", os.Geteuid()))
	}
	return filepath.Join(dir, "ovzpatch")
}
