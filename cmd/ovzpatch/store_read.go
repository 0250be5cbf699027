// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/terminal"
)

func newStoreList(f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list [SNAPSHOT|GROUP]...",
		Short: "List snapshots",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := f.open()
			if err != nil {
				return err
			}
			refs, err := s.Select(args)
			if err != nil {
				return err
			}
			list, err := s.List(c.Context(), refs)
			if err != nil {
				return err
			}
			if list == nil {
				list = []datastore.Entry{}
			}
			return f.print(c, list, func(w io.Writer) error {
				t := terminal.NewTable(w)
				for _, e := range list {
					t.Row(e.Snapshot, cache.Size(e.Size), stateText(e.Verification, e.Problem != ""), e.Verdict, protectedText(e.Protected), e.Problem+e.Notes)
				}
				return t.Flush()
			})
		},
	}
}

// stateText is what the last verification said, unless less than that is known to be wrong.
func stateText(v *datastore.Verification, broken bool) string {
	switch {
	case broken:
		return "DAMAGED"
	case v == nil:
		return "unverified"
	case v.OK:
		return "good"
	}
	return "DAMAGED"
}

func protectedText(on bool) string {
	if on {
		return "protected"
	}
	return ""
}

func newStoreShow(f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "show SNAPSHOT",
		Short: "Show a snapshot's manifest",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ref, err := parseRef(args[0])
			if err != nil {
				return err
			}
			s, err := f.open()
			if err != nil {
				return err
			}
			r, err := s.Look(c.Context(), ref)
			if err != nil {
				return err
			}
			defer r.Close()
			return f.print(c, r.Manifest, func(w io.Writer) error { return showManifest(w, r) })
		},
	}
}

func showManifest(w io.Writer, r *datastore.Reader) error {
	m := r.Manifest
	t := terminal.NewTable(w)
	line := func(key, value string) {
		if value != "" {
			t.Row(key, value)
		}
	}
	line("snapshot", r.Ref.String())
	line("finished", m.Finished.String())
	line("owner", m.Owner)
	line("state", stateText(m.Verification, len(r.Problems) > 0))
	line("", protectedText(m.Protected))
	line("notes", m.Notes)
	for _, in := range []struct {
		key string
		datastore.Input
	}{{"source", m.Source}, {"port", m.Port}, {"spec", m.Spec}} {
		if in.Name != "" {
			t.Row(in.key, in.Name, in.SHA256)
		}
	}
	var programs []string
	for p := range m.Toolchain {
		programs = append(programs, p)
	}
	slices.Sort(programs)
	for _, p := range programs {
		t.Row("built with", p+" "+m.Toolchain[p])
	}
	for _, o := range m.Options {
		line("option", o)
	}
	line("log", m.Log)
	for _, v := range m.Verdicts {
		key := "verdict"
		if v.Control {
			key = "control"
		}
		t.Row(key, v.Verdict, v.Time, v.File)
	}
	if m.Verification != nil {
		for _, p := range m.Verification.Problems {
			t.Row("DAMAGED", p.File, p.Problem)
		}
	}
	for _, p := range r.Problems {
		t.Row("DAMAGED", p.File, p.Problem)
	}
	for _, file := range m.Files {
		t.Row("file", file.Name, file.SHA256, cache.Size(file.Size))
	}
	line("in", r.Dir())
	return t.Flush()
}

func newStoreVerify(f *storeFlags) *cobra.Command {
	var noMark bool
	c := &cobra.Command{
		Use:   "verify [SNAPSHOT|GROUP]...",
		Short: "Read every byte and compare it with its digest",
		Long: `verify reads the files of the snapshots, of all when none is named, compares each with
its digest, and marks the snapshot as good or damaged. It ends with 1 when one is damaged. With
--no-mark nothing is written: for a datastore that is read-only.`,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := f.open()
			if err != nil {
				return err
			}
			refs, err := s.Select(args)
			if err != nil {
				return err
			}
			u := newUI(c)
			results, err := s.Verify(c.Context(), refs, !noMark, func(p datastore.Progress) {
				u.Live("verify: %s of %s", cache.Size(p.Done), cache.Size(p.Total))
			})
			u.Done()
			if err != nil {
				return err
			}
			type outcome struct {
				Snapshot datastore.Ref `json:"snapshot"`
				datastore.Verification
				Error string `json:"error,omitempty"`
			}
			list, damaged, failed := []outcome{}, 0, 0
			for _, r := range results {
				o := outcome{Snapshot: r.Snapshot, Verification: r.Verification}
				if r.Err != nil {
					o.Error = r.Err.Error()
					failed++
				}
				if len(r.Verification.Problems) > 0 {
					damaged++
				}
				list = append(list, o)
			}
			err = f.print(c, list, func(w io.Writer) error {
				t := terminal.NewTable(w)
				for _, o := range list {
					switch {
					case o.OK:
						t.Row(o.Snapshot, "good", o.Error)
					case len(o.Problems) == 0:
						t.Row(o.Snapshot, "not verified", o.Error)
					}
					for _, p := range o.Problems {
						t.Row(o.Snapshot, "DAMAGED", p.File, p.Problem)
					}
				}
				return t.Flush()
			})
			if err == nil && damaged+failed > 0 {
				err = fmt.Errorf("verify: of %d snapshots %d are damaged and %d could not be verified or marked", len(list), damaged, failed)
			}
			return err
		},
	}
	c.Flags().BoolVar(&noMark, "no-mark", false, "only report; write nothing into the datastore")
	return c
}
