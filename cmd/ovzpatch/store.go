// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/runlock"
	"ovzpatch/internal/terminal"
)

// lockPlace is where locks are; the tests have a place of their own.
var lockPlace = func() (runlock.Place, error) {
	return runlock.DefaultPlace(os.Geteuid(), os.Getenv("XDG_RUNTIME_DIR")), nil
}

// openStore opens the datastore in dir, or in $OVZPATCH_STORE when dir is "", and warns of one that others can write to.
func openStore(u job.Reporter, dir string) (*datastore.Store, error) {
	if dir = cmp.Or(dir, os.Getenv("OVZPATCH_STORE")); dir == "" {
		return nil, usage(errors.New("no datastore given: name its directory with --store or in $OVZPATCH_STORE"))
	}
	place, err := lockPlace()
	if err != nil {
		return nil, err
	}
	s, err := datastore.Open(dir, place)
	if err != nil {
		return nil, err
	}
	if err := s.Exposed(); err != nil {
		u.Say("WARNING: datastore %s: %v", s.Dir(), err)
	}
	return s, nil
}

// storeFlags are what all store commands share.
type storeFlags struct {
	dir string
	jsonFlag
}

// with opens the datastore for a command.
func (f *storeFlags) with(do func(c *cobra.Command, s *datastore.Store, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		s, err := openStore(newUI(c), f.dir)
		if err != nil {
			return err
		}
		return do(c, s, args)
	}
}

// withRef is with for a command whose first argument is a snapshot.
func (f *storeFlags) withRef(do func(c *cobra.Command, s *datastore.Store, ref datastore.Ref, more []string) error) func(*cobra.Command, []string) error {
	return f.with(func(c *cobra.Command, s *datastore.Store, args []string) error {
		refs, err := parse(args[:1], datastore.ParseRef)
		if err != nil {
			return err
		}
		return do(c, s, refs[0], args[1:])
	})
}

// parse reads arguments.
func parse[T any](args []string, read func(string) (T, error)) (all []T, err error) {
	for _, arg := range args {
		one, err := read(arg)
		if err != nil {
			return nil, usage(err)
		}
		all = append(all, one)
	}
	return all, nil
}

func newStore(*app) *cobra.Command {
	f := &storeFlags{}
	c := &cobra.Command{
		Use:   "store",
		Short: "Keep finished builds: add, list, verify, protect, prune",
	}
	c.PersistentFlags().StringVar(&f.dir, "store", "", "directory of the datastore (default: $OVZPATCH_STORE)")
	c.PersistentFlags().BoolVar(&f.on, "json", false, "write the result as JSON")
	c.AddCommand(
		newStoreInit(f),
		newStoreAdd(f),
		newStoreList(f),
		newStoreShow(f),
		newStoreVerify(f),
		newStoreProtect(f),
		newStoreNotes(f),
		newStorePrune(f),
		newStoreRemove(f),
		newStoreCopy(f),
		newStoreLocks(f),
		newStoreLock(f),
	)
	return c
}

func newStoreInit(f *storeFlags) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Make a datastore in an empty or a new directory",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := cmp.Or(append(args, f.dir, os.Getenv("OVZPATCH_STORE"))...)
			if dir == "" {
				return usage(errors.New("no directory given: name it, or set $OVZPATCH_STORE"))
			}
			place, err := lockPlace()
			if err != nil {
				return err
			}
			s, err := datastore.Init(dir, name, place)
			if err != nil {
				return err
			}
			made := struct {
				Dir  string `json:"dir"`
				Name string `json:"name"`
			}{s.Dir(), s.Name()}
			return f.print(c, made, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "made datastore %s in %s\n", made.Name, terminal.Text(made.Dir))
				return err
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "its name (default: the directory's name)")
	return c
}

func newStoreLocks(f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "locks",
		Short: "Show who holds which locks",
		Args:  cobra.NoArgs,
		RunE: f.with(func(c *cobra.Command, s *datastore.Store, _ []string) error {
			locks, err := s.Locks()
			return show(c, f.jsonFlag, locks, err, runlock.WriteLocks)
		}),
	}
}

func newStoreLock(f *storeFlags) *cobra.Command {
	var shared bool
	c := &cobra.Command{
		Use:   "lock SNAPSHOT [--shared] -- COMMAND [ARG...]",
		Short: "Run a command that holds a snapshot's lock",
		Args: func(c *cobra.Command, args []string) error {
			if c.ArgsLenAtDash() != 1 || len(args) < 2 {
				return cmdline.Errorf(c, "name one SNAPSHOT, then --, then a command")
			}
			return nil
		},
		RunE: f.withRef(func(c *cobra.Command, s *datastore.Store, ref datastore.Ref, words []string) error {
			program, err := exec.LookPath(words[0])
			if err != nil {
				return usage(err)
			}
			return s.Become(c.Context(), ref, shared, program, words, os.Environ())
		}),
	}
	c.Flags().BoolVar(&shared, "shared", false, "take a reader's lock: others may read the snapshot too, and nobody can remove it")
	return c
}
