// SPDX-License-Identifier: Apache-2.0

package cmdline

import (
	"errors"
	"io"
	"testing"

	"github.com/spf13/cobra"

	"ovzpatch/internal/job"
)

// program is one with a command of each kind.
func program() *cobra.Command {
	root := &cobra.Command{Use: "tool", SilenceErrors: true, SilenceUsage: true}
	work := &cobra.Command{Use: "work FILE", Args: cobra.ExactArgs(1), RunE: func(*cobra.Command, []string) error { return nil }}
	work.Flags().Int("count", 1, "how often")
	work.Flags().Duration("limit", 0, "how long")
	work.Flags().String("tag", "x", `a mark, "" for none`)
	work.Flags().String("name", "", "its name")
	work.Flags().String("by", "", "who")
	work.MarkFlagsMutuallyExclusive("name", "by")
	AllowEmpty(work, "tag")
	some := &cobra.Command{Use: "group"}
	some.AddCommand(&cobra.Command{Use: "list", Run: func(*cobra.Command, []string) {}})
	root.AddCommand(work, some)
	Strict(root, func(_ *cobra.Command, _ []string, err error) error { return err })
	root.SetOut(io.Discard)
	return root
}

func TestWrongCommandLines(t *testing.T) {
	const work = "; see tool work --help"
	for _, tt := range []struct {
		args []string
		want string // "" for none
	}{
		{[]string{"work", "file"}, ""},
		{[]string{"work", "file", "--tag="}, ""},
		{[]string{"group"}, ""},
		{[]string{"wor"}, `unknown command "wor" (is it work?); see tool --help`},
		{[]string{"group", "lst"}, `unknown command "lst" (is it list?); see tool group --help`},
		{[]string{"help", "wor"}, `unknown command "wor" (is it work?); see tool --help`},
		{[]string{"work"}, "an argument is missing; write: tool work FILE [flags]" + work},
		{[]string{"work", "a", "b"}, `"b" is one argument too many; write: tool work FILE [flags]` + work},
		{[]string{"work", ""}, "the first argument is empty; write: tool work FILE [flags]" + work},
		{[]string{"work", "a", "--cuont=1"}, "unknown flag --cuont (is it --count?)" + work},
		{[]string{"work", "a", "--count=x"}, "--count=x: it must be a whole number" + work},
		{[]string{"work", "a", "--limit=0s"}, "--limit=0s: it must be a time above 0, for example 90m" + work},
		{[]string{"work", "a", "--name="}, "--name: its value is empty; give one, or leave the flag out" + work},
		{[]string{"work", "a", "--name=n", "--by=b"}, "--by and --name exclude each other: use one of them" + work},
	} {
		root := program()
		root.SetArgs(tt.args)
		err := root.Execute()
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%q: %v", tt.args, err)
		case tt.want != "" && (err == nil || err.Error() != tt.want || !errors.Is(err, job.ErrRequest)):
			t.Errorf("%q: %v, want %s", tt.args, err, tt.want)
		}
	}
}
