// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"ovzpatch/internal/umount"
)

// listed is a case as `list --json` shows it.
type listed struct {
	Name string   `json:"name"`
	Kind string   `json:"kind"`
	Text string   `json:"text"`
	For  string   `json:"for"`
	In   []string `json:"in"` // backends, or "host"
}

// listCases is `umounttest list`.
func listCases(args []string) error {
	flags := flag.NewFlagSet("list", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	asJSON := flags.Bool("json", false, "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return help()
	} else if err != nil || flags.NArg() > 0 {
		return errors.Join(err, errUsage)
	}
	return list(os.Stdout, *asJSON)
}

func list(w io.Writer, asJSON bool) error {
	var all []listed
	for _, c := range umount.Cases() {
		l := listed{Name: c.Name, Kind: c.Kind, Text: c.Text, For: c.For, In: backendsOf(c)}
		all = append(all, l)
		if asJSON {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-33s %s\n", c.Name, c.Text); err != nil {
			return err
		}
	}
	if !asJSON {
		return nil
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(all)
}

// backendsOf names where a case is tried.
func backendsOf(c umount.Case) []string {
	var in []string
	for _, name := range []string{"ve", "ve-cgroup", "ve-userns", "namespaces", "userns"} {
		if c.On(backends[name]) {
			in = append(in, name)
		}
	}
	if _, ok := c.Wants[umount.Host]; ok {
		in = append(in, "host")
	}
	return in
}
