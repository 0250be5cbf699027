// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"regexp"

	"mvdan.cc/sh/v3/syntax"
)

var shellDefine = regexp.MustCompile(`^\s*(?:function\s+)?([A-Za-z_]\w*)\s*\(\)\s*(.*)$`)

// between tells for each line of a section whether it may begin a command of the section's
// own list, or of one of rpm's conditions: none that is inside another command of the shell.
func (s *spec) between(section string) ([]bool, error) {
	m := anyBuild()
	sc, file, err := s.parse(section, m)
	if err != nil {
		return nil, err
	}
	w := newWalker(s, sc, m)
	free := make([]bool, len(s.lines))
	for i, l := range s.lines {
		free[i] = l.section == section && !l.macro
	}
	var list func([]*syntax.Stmt)
	list = func(stmts []*syntax.Stmt) {
		for _, stmt := range stmts {
			if c, ok := stmt.Cmd.(*syntax.IfClause); ok && w.ofRPM(c) {
				for ; c != nil; c = c.Else {
					list(c.Then)
				}
				continue
			}
			for i := w.line(stmt) + 1; i <= w.lastLine(stmt) && i < len(free); i++ {
				free[i] = false
			}
		}
	}
	list(file.Stmts)
	return free, nil
}
