// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"io"
	"strings"

	"ovzpatch/internal/terminal"
)

// Write writes settings as a table.
func Write(w io.Writer, list []Setting) error {
	t := terminal.NewTable(w)
	t.Row("SETTING", "VALUE", "FROM")
	for _, s := range list {
		t.Row(s.Name, strings.Join(s.Values, ","), s.From)
	}
	return t.Flush()
}
