// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/matrix"
)

// matrixFlags choose the cells of a file.
type matrixFlags struct {
	work  string
	only  string
	shard string
}

func (f *matrixFlags) register(c *cobra.Command) {
	c.Flags().StringVarP(&f.work, "output", "o", "", "directory for the results (default: beside FILE, with .results in place of .toml)")
	c.Flags().StringVar(&f.only, "only", "", "only the cells whose names match: * is any text, ? any character")
	c.Flags().StringVar(&f.shard, "shard", "", "only one part of the cells, k/n: 1/3 is the first third, for CI workers that share the work")
}

// open reads the file, and tells what is wrong with it.
func (f *matrixFlags) open(c *cobra.Command, a *app, file string) (*matrix.Matrix, error) {
	var err error
	u := newUI(c)
	o := matrix.Options{
		Commands: &ownCommands{flags: map[string]*cobra.Command{}}, Home: a.home, Work: f.work, Only: f.only, Settings: map[string][]string{}, Report: u,
		OpenStore: func(dir string) (*datastore.Store, error) { return openStore(u, dir) },
	}
	for _, s := range a.settings {
		if err := checkSetting(s); err != nil {
			return nil, err
		}
		o.Settings[s.Name] = s.Values
	}
	if f.shard != "" {
		if o.Shard, err = matrix.ParseShard(f.shard); err != nil {
			return nil, usage(fmt.Errorf("--shard: %w", err))
		}
	}
	if o.Program, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("find this program, which does the cells: %w", err)
	}
	if o.Work != "" {
		if o.Work, err = filepath.Abs(o.Work); err != nil {
			return nil, err
		}
	}
	return matrix.Open(c.Context(), file, o)
}

// ownCommands are this program's.
type ownCommands struct{ flags map[string]*cobra.Command }

func (*ownCommands) find(name string) *cobra.Command {
	c, _, err := newRoot().Find([]string{name})
	if err != nil {
		panic(err) // the matrix names none that is not there
	}
	return c
}

func (o *ownCommands) Has(command, flag string) bool {
	c := o.flags[command]
	if c == nil {
		c = o.find(command)
		o.flags[command] = c
	}
	return c.Flags().Lookup(flag) != nil || c.InheritedFlags().Lookup(flag) != nil
}

func (o *ownCommands) Check(command string, args []string) error {
	c := o.find(command)
	if err := c.ParseFlags(args); err != nil {
		return cmdline.WrongFlag(c, err)
	}
	args = c.Flags().Args()
	if err := c.Args(c, args); err != nil {
		return err
	}
	// A command whose flags can be wrong in other ways looks at them there.
	if c.PreRunE != nil {
		if err := c.PreRunE(c, args); err != nil {
			return err
		}
	}
	if patch := c.Flags().Lookup("patch"); patch != nil {
		return fit.Look(args[0], patch.Changed)
	}
	return nil
}

func newMatrix(a *app) *cobra.Command {
	var (
		flags    matrixFlags
		rep      reportFlags
		how      engineFlags
		keep     bool
		failFast bool
		form     jsonFlag
	)
	c := &cobra.Command{
		Use:   "matrix FILE",
		Short: "Do many kernels at once: sources x targets x flavours x with and without the patch",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := rep.check(); err != nil {
				return err
			}
			if err := how.check(c); err != nil {
				return err
			}
			m, err := flags.open(c, a, args[0])
			if err != nil {
				return err
			}
			defer m.Close()
			if err := errors.Join(checkOutput(m.Work.Dir), rep.beside(m.Sources()), a.ready()); err != nil {
				return err
			}
			u := newUI(c)
			do, err := how.of(a, m, u)
			if err != nil {
				return err
			}
			r, err := m.Run(c.Context(), do, failFast || !keep, u)
			return rep.finish(c, r, err, form)
		},
	}
	flags.register(c)
	rep.register(c)
	how.register(c)
	c.Flags().BoolVar(&keep, "keep-going", true, "do all cells, even if one fails")
	c.Flags().BoolVar(&failFast, "fail-fast", false, "stop at the first cell that is not as expected")
	form.register(c, "write the report as JSON")
	c.MarkFlagsMutuallyExclusive("keep-going", "fail-fast")
	c.AddCommand(newMatrixPlan(a), newMatrixCell())
	return c
}

// engineFlags say where cells are done.
type engineFlags struct {
	engine string
	jobs   int
}

// What --engine takes.
const (
	engineLocal = "local"
	engineSlurm = "slurm"
)

func (f *engineFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.engine, "engine", engineLocal, "where cells are done: local, on this machine, or slurm, as tasks of a Slurm cluster")
	c.Flags().IntVarP(&f.jobs, "jobs", "j", 0, "how many cells run at a time (default: on this machine 2, or a fourth of its processors; with slurm as many of each array as the cluster can)")
	cmdline.Complete(c, "engine", engineLocal, engineSlurm)
}

func (f *engineFlags) check(c *cobra.Command) error {
	if err := cmdline.OneOf("engine", f.engine, engineLocal, engineSlurm); err != nil {
		return err
	}
	// The setting jobs is meant for compilers.
	if !c.Flags().Changed("jobs") {
		if f.jobs = 0; f.engine == engineLocal {
			f.jobs = matrix.LocalJobs()
		}
	} else if f.jobs < 1 {
		return usage(fmt.Errorf("--jobs=%d: it must be 1 or more", f.jobs))
	}
	return nil
}

// of returns what does the cells.
func (f *engineFlags) of(a *app, m *matrix.Matrix, u *ui) (matrix.Engine, error) {
	if f.engine == engineSlurm {
		return m.OnCluster(f.jobs, u)
	}
	return m.OnThisMachine(a.cacheDir, f.jobs)
}

// newMatrixCell is what a task of a cluster calls.
func newMatrixCell() *cobra.Command {
	var plan, attempt string
	c := &cobra.Command{
		Use:    "cell NUMBER",
		Short:  "Do one cell; matrix --engine=slurm calls it",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			i, err := strconv.Atoi(args[0])
			if err != nil {
				return usage(fmt.Errorf("%q is not the number of a cell", args[0]))
			}
			if attempt != filepath.Base(attempt) {
				return usage(fmt.Errorf("--attempt=%s: it must be one name", attempt))
			}
			return matrix.DoHanded(c.Context(), plan, i, attempt, newUI(c))
		},
	}
	c.Flags().StringVar(&plan, "plan", "", "the file with the cells")
	c.Flags().StringVar(&attempt, "attempt", "", "the name of this try")
	c.MarkFlagRequired("plan")
	c.MarkFlagRequired("attempt")
	return c
}

func newMatrixPlan(a *app) *cobra.Command {
	var (
		flags matrixFlags
		form  jsonFlag
	)
	c := &cobra.Command{
		Use:   "plan FILE",
		Short: "Show the cells of a matrix, what they share, and how long they may take",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			m, err := flags.open(c, a, args[0])
			if err != nil {
				return err
			}
			defer m.Close()
			list, err := m.Plan(c.Context())
			return show(c, form, list, err, matrix.WritePlan)
		},
	}
	flags.register(c)
	form.register(c, "write the cells as JSON, each with the arguments of its ovzpatch")
	return c
}
