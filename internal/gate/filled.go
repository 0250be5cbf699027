// SPDX-License-Identifier: Apache-2.0

package gate

import "strings"

// fill notes that a call was given the addresses of structs, and so may have filled them in.
func (fr *frame) fill(args []value, result string) {
	for _, a := range args {
		of, isAddress := strings.CutPrefix(a.s, "&")
		local, at, _ := strings.Cut(of, "@")
		if _, before := fr.filled[local]; isAddress && !before && fr.structs[local] && at == fr.fn.name {
			fr.filled[local] = result
		}
	}
}

// filled doubts a hook that reads a struct of the function's which nothing has filled in, or a
// call of which it is not known that it succeeded: the lookup of the path, above all.
func (m *machine) filled(fr *frame, e *expr) {
	if m.new == 0 || e.op != name || !fr.structs[e.tok.text] {
		return
	}
	by, filled := fr.filled[e.tok.text]
	if !filled {
		m.doubt(m.new, e.tok.text+" is read before anything filled it in")
		return
	}
	if by == "" {
		return
	}
	call, _, _ := strings.Cut(by, "(")
	if answer, asked := m.told[by]; asked {
		if answer == 1 {
			m.doubt(m.new, e.tok.text+" is read where "+call+"(), which fills it in, has failed")
		}
		return
	}
	m.spend(evalSteps*len(m.told), e.tok.line)
	// It may be asked in other words, as IS_ERR() of it.
	for key := range m.told {
		if strings.Contains(key, by) {
			return
		}
	}
	m.doubt(m.new, e.tok.text+" is read before it is asked whether "+call+"() filled it in")
}
