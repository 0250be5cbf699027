// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"slices"
	"strings"
	"testing"
)

// A hook that reads the path before the lookup has filled it in, or whether or not it has, is
// never right.
func TestPathIsFilledIn(t *testing.T) {
	const reads = "type = path.mnt->mnt_sb->s_type->name;"
	const lookup = "	retval = user_path_mountpoint_at("
	const asked = "	if (retval)\n		goto out;\n"
	for _, test := range []struct{ name, old, new, doubt string }{
		{"behind the lookup", "", "", ""},
		{"asked in other words", "if (retval)\n		goto out;\n	mnt", "if (IS_ERR_VALUE(retval))\n		goto out;\n	mnt", ""},
		{"before the lookup", lookup, reads + lookup, "path is read before anything filled it in"},
		{"before it is asked whether it succeeded", asked, reads + asked, "path is read before it is asked whether user_path_mountpoint_at() filled it in"},
		{"where it has failed", asked, "	if (retval) {\n		" + reads + "\n		goto out;\n	}\n", "path is read where user_path_mountpoint_at(), which fills it in, has failed"},
		{"by its address", lookup, "get_user_ns(&path);" + lookup, "path is read before anything filled it in"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := withHooks(t, "vz7", nil)
			src := withHooks(t, "vz7", map[string]string{"before-gate": ahead, "after-gate": behind})
			after := strings.Replace(src, test.old, test.new, 1)
			if test.name == "asked in other words" {
				before = strings.Replace(before, test.old, test.new, 1)
			} else if test.new != "" {
				// The declaration goes where C wants it.
				after = strings.Replace(after, "	struct path path;", "	struct path path;\n	const char *type;", 1)
				after = strings.Replace(after, "\n	const char *type;\n	bool override;", "\n	bool override;", 1)
			}
			g, err := Check(t.Context(), []byte(before), []byte(after), namesFor("vz7"))
			if test.doubt == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if g.Verdict == Reached || !slices.ContainsFunc(slices.Concat(g.Faults, g.Doubts), func(f Fault) bool { return f.Reason == test.doubt }) {
				t.Errorf("%s: %v", g.Verdict, err)
			}
		})
	}
}
