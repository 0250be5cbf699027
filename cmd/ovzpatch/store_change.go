// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/terminal"
)

// done is what a command that changed snapshots says as JSON.
type done struct {
	Snapshots []string `json:"snapshots"`
	Done      string   `json:"done"`
}

func (f *storeFlags) printDone(c *cobra.Command, what string, names ...string) error {
	return f.print(c, done{names, what}, func(w io.Writer) error {
		for _, n := range names {
			if _, err := fmt.Fprintf(w, "%s %s\n", what, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// printChanged tells what was done before an error, too.
func (f *storeFlags) printChanged(c *cobra.Command, what string, changed []datastore.Ref, err error) error {
	if err != nil && len(changed) == 0 {
		return err
	}
	var names []string
	for _, r := range changed {
		names = append(names, r.String())
	}
	return errors.Join(err, f.printDone(c, what, names...))
}

func newStoreProtect(f *storeFlags) *cobra.Command {
	var off bool
	c := &cobra.Command{
		Use:   "protect SNAPSHOT...",
		Short: "Protect snapshots from being removed",
		Args:  cobra.MinimumNArgs(1),
		RunE: f.with(func(c *cobra.Command, s *datastore.Store, args []string) error {
			refs, err := parse(args, datastore.ParseRef)
			if err != nil {
				return err
			}
			what := "protected"
			if off {
				what = "unprotected"
			}
			changed, err := s.ProtectAll(c.Context(), refs, !off)
			return f.printChanged(c, what, changed, err)
		}),
	}
	c.Flags().BoolVar(&off, "off", false, "remove the protection")
	return c
}

func newStoreNotes(f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "notes SNAPSHOT [TEXT]",
		Short: "Show or replace a snapshot's notes",
		Args:  cobra.RangeArgs(1, 2),
		RunE: f.withRef(func(c *cobra.Command, s *datastore.Store, ref datastore.Ref, text []string) error {
			if len(text) == 1 {
				if err := s.SetNotes(c.Context(), ref, text[0]); err != nil {
					return err
				}
				return f.printDone(c, "noted", ref.String())
			}
			r, err := s.Look(c.Context(), ref)
			if err != nil {
				return err
			}
			defer r.Close()
			return f.print(c, r.Manifest.Notes, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, terminal.Text(r.Manifest.Notes))
				return err
			})
		}),
	}
}

func newStorePrune(f *storeFlags) *cobra.Command {
	var (
		keep   datastore.Keep
		dryRun bool
	)
	c := &cobra.Command{
		Use:   "prune [GROUP]...",
		Short: "Remove the snapshots that no rule keeps",
		RunE: func(c *cobra.Command, args []string) error {
			if err := keep.Check(); err != nil {
				return usage(err)
			}
			groups, err := parse(args, datastore.ParseGroup)
			if err != nil {
				return err
			}
			s, err := openStore(newUI(c), f.dir)
			if err != nil {
				return err
			}
			plan, err := s.Prune(c.Context(), groups, keep, dryRun)
			return errors.Join(err, f.print(c, plan, func(w io.Writer) error { return datastore.WritePlan(w, plan, dryRun) }))
		},
	}
	flags := c.Flags()
	flags.IntVar(&keep.Last, "keep-last", 0, "keep the newest `N`")
	flags.IntVar(&keep.Daily, "keep-daily", 0, "keep the newest of each of the last `N` days that have one")
	flags.IntVar(&keep.Weekly, "keep-weekly", 0, "keep the newest of each of the last `N` weeks that have one")
	flags.IntVar(&keep.Monthly, "keep-monthly", 0, "keep the newest of each of the last `N` months that have one")
	flags.IntVar(&keep.Yearly, "keep-yearly", 0, "keep the newest of each of the last `N` years that have one")
	flags.BoolVar(&keep.NoLastGood, "even-last-good", false, "also remove the last snapshot that was verified good, and the last that a test found protected")
	flags.BoolVar(&dryRun, "dry-run", false, "only show what would be done")
	return c
}

func newStoreRemove(f *storeFlags) *cobra.Command {
	var yes, damaged bool
	c := &cobra.Command{
		Use:   "remove SNAPSHOT|GROUP...",
		Short: "Remove snapshots, or groups with all theirs",
		Args:  cobra.MinimumNArgs(1),
		RunE: f.with(func(c *cobra.Command, s *datastore.Store, args []string) error {
			refs, err := s.Select(args)
			if err != nil {
				return err
			}
			if !yes {
				ok, err := confirm(c, fmt.Sprintf("Remove %s, %d in all, for good?", strings.Join(args, ", "), len(refs)))
				if err != nil {
					return err
				}
				if !ok {
					return errors.New("remove: not confirmed, nothing was removed")
				}
			}
			chosen, err := datastore.Choose(args)
			if err != nil {
				return err
			}
			removed, err := s.RemoveAll(c.Context(), chosen.Refs, chosen.Groups, damaged)
			if err == nil {
				return f.printDone(c, "removed", args...)
			}
			return f.printChanged(c, "removed", removed, err)
		}),
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&damaged, "damaged", false, "also remove snapshots whose manifest cannot be read, though they may be protected")
	return c
}

// confirm asks on a terminal; elsewhere there is nobody to ask.
func confirm(c *cobra.Command, question string) (bool, error) {
	in, ok := c.InOrStdin().(*os.File)
	if !ok || !terminal.Is(in) {
		return false, usage(errors.New("standard input is not a terminal, so nobody can be asked: use --yes"))
	}
	fmt.Fprintf(c.ErrOrStderr(), "%s [y/N] ", question)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && err != io.EOF {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}

func newStoreCopy(f *storeFlags) *cobra.Command {
	var dir, namespace string
	c := &cobra.Command{
		Use:   "copy SNAPSHOT",
		Short: "Copy a snapshot to another datastore or namespace",
		Args:  cobra.ExactArgs(1),
		RunE: f.withRef(func(c *cobra.Command, from *datastore.Store, ref datastore.Ref, _ []string) error {
			if dir == "" && !c.Flags().Changed("namespace") {
				return usage(errors.New("no target given: use --to DIR, --namespace NS, or both"))
			}
			ns, to := ref.Namespace, from
			var err error
			if c.Flags().Changed("namespace") {
				if ns, err = datastore.ParseNamespace(namespace); err != nil {
					return usage(err)
				}
			}
			if dir != "" {
				if to, err = openStore(newUI(c), dir); err != nil {
					return err
				}
			}
			made, err := from.Copy(c.Context(), ref, to, ns)
			if err != nil {
				return err
			}
			return f.printDone(c, "made", made.String())
		}),
	}
	c.Flags().StringVar(&dir, "to", "", "directory of the other datastore (default: the same one)")
	c.Flags().StringVar(&namespace, "namespace", "", `namespace of the copy, "" for the outermost (default: the same one)`)
	cmdline.AllowEmpty(c, "namespace")
	return c
}
