// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"strings"
	"testing"
)

// A link that %prep makes is followed to what it leads to; where that is not known it is said.
func TestWalkLinks(t *testing.T) {
	const in = "%setup -q -n linux-5.14.0\ncd ..\n"
	for name, c := range map[string]struct{ prep, want string }{
		"to the tree":                     {in + "ln -s linux-5.14.0 linux\ncd linux\n" + patches, "%patch2 -p1"},
		"by force":                        {in + "ln -sf linux-5.14.0 linux\ncd linux\n" + patches, "%patch2 -p1"},
		"anew, not into what was there":   {in + "mkdir other\nln -s other linux\nln -sfn linux-5.14.0 linux\ncd linux\n" + patches, "%patch2 -p1"},
		"by an absolute path":             {in + "ln -s %{_builddir}/linux-5.14.0 linux\npushd linux\n" + patches + "popd", "%patch2 -p1"},
		"by an absolute path of a shell":  {in + "ln -s $RPM_BUILD_DIR/linux-5.14.0 $RPM_BUILD_DIR/linux\ncd $RPM_BUILD_DIR/linux\n" + patches, "%patch2 -p1"},
		"by long options":                 {in + "ln --symbolic --force --no-dereference linux-5.14.0 linux\ncd linux\n" + patches, "%patch2 -p1"},
		"by the macro":                    {in + "%{__ln_s} linux-5.14.0 linux\ncd linux\n" + patches, "%patch2 -p1"},
		"into a directory":                {in + "mkdir src\nln -s ../linux-5.14.0 src/\ncd src/linux-5.14.0\n" + patches, "%patch2 -p1"},
		"into a directory that is told":   {in + "mkdir src\nln -s -t src ../linux-5.14.0\ncd src/linux-5.14.0\n" + patches, "%patch2 -p1"},
		"relative to the link":            {in + "mkdir src\nln -sr linux-5.14.0 src/here\ncd src/here\n" + patches, "%patch2 -p1"},
		"of one word":                     {in + "mkdir src\ncd src\nln -s ../linux-5.14.0\ncd linux-5.14.0\n" + patches, "%patch2 -p1"},
		"to a link":                       {in + "ln -s linux-5.14.0 one\nln -s one two\ncd two\n" + patches, "%patch2 -p1"},
		"into the tree":                   {in + "ln -s linux-5.14.0 linux\ncd linux/fs\ncd ..\n" + patches, "%patch2 -p1"},
		"back out of it":                  {in + "ln -s linux-5.14.0 linux\ncd linux\n%patch1 -p1\ncd ..\ncd linux-5.14.0\n%patch2 -p1", "%patch2 -p1"},
		"inside of the tree":              {inTree + "ln -s . here\ncd here\n%patch2 -p1", "%patch2 -p1"},
		"of the tree's own directory":     {inTree + "ln -s fs vfs\ncd vfs\ncd ..\n%patch2 -p1", "%patch2 -p1"},
		"replaced later":                  {in + "mkdir other\nln -s linux-5.14.0 linux\ncd linux\n%patch1 -p1\ncd ..\nln -sfn other linux\ncd linux\n%patch2 -p1", "%patch1 -p1"},
		"removed, and made anew":          {in + "mkdir other\nln -s other linux\nrm -f linux\nln -s linux-5.14.0 linux\ncd linux\n" + patches, "%patch2 -p1"},
		"removed with -r, the tree stays": {in + "ln -s linux-5.14.0 linux\nrm -rf linux\ncd linux-5.14.0\n" + patches, "%patch2 -p1"},
		"renamed":                         {in + "ln -s linux-5.14.0 linux\nmv linux kernel\ncd kernel\n" + patches, "%patch2 -p1"},
		"the tree has another name first": {in + "mv linux-5.14.0 tree\nln -s tree linux\ncd linux\n" + patches, "%patch2 -p1"},
		"the tree has another name then":  {in + "ln -s linux-5.14.0 linux\nmv linux-5.14.0 tree\nln -sfn tree linux\ncd linux\n" + patches, "%patch2 -p1"},
		"copied":                          {in + "ln -s linux-5.14.0 linux\ncp -a linux kernel\ncd kernel\n" + patches, "%patch2 -p1"},
		"by patch -d":                     {in + "ln -s linux-5.14.0 linux\npatch -p1 -d linux < %{PATCH1}\ncd linux\n%patch2 -p1", "%patch2 -p1"},
		"by %setup -T -D":                 {in + "ln -s linux-5.14.0 linux\n%setup -q -T -D -n linux\n" + patches, "%patch2 -p1"},
		"in a list":                       {in + "test -e linux || ln -s linux-5.14.0 linux\ncd linux\n" + patches, "not known since line"},
		"to another place":                {in + "mkdir a\nmkdir a/b\nln -s ../../linux-5.14.0 a/b/src\ncd a/b/src\n%patch1 -p1\ncd ..\n%patch2 -p1", "%patch1 -p1"},
		"a second goes into the tree":     {inBox + "ln -s linux-5.14.0 linux\nmkdir other\nln -s other linux\ncd linux\n" + patches, "%patch2 -p1"},
		"a second, nobody knows where":    {in + "ln -s nothere linux\nln -s linux-5.14.0 linux\ncd linux\n" + patches, "where the link linux leads is not known"},
		"of a name that nobody knows":     {in + "ln -s $SRC linux\ncd linux\n" + patches, "where the link linux leads is not known"},
		"to itself":                       {in + "ln -s linux linux\ncd linux\n" + patches, "where the link linux leads is not known"},
		"that fails":                      {in + "ln -s linux-5.14.0 linux\nln -sT linux-5.14.0 linux || :\ncd linux\n" + patches, "%patch2 -p1"},
		"that is made in one branch only": {in + "%ifarch x86_64\nln -s linux-5.14.0 linux\n%else\nln -s other linux\n%endif\ncd linux\n" + patches, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := inPrep(t, "", c.prep, "")
			if !strings.Contains(got, c.want) {
				t.Errorf("ours behind %q, not %q", got, c.want)
			}
		})
	}
}
