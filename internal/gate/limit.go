// SPDX-License-Identifier: Apache-2.0

package gate

import "fmt"

// maxNesting bounds how deep brackets, statements and conditions nest. A compiler must read 63 brackets in each other and
// 127 blocks; a source that nests deeper than this is nobody's, and to read it takes more time and memory with each level.
const maxNesting = 500

// maxSource bounds how long the file is; a kernel's has up to 170000 bytes. maxUnder bounds how much is kept of the
// conditions of the preprocessor that its lines are under.
const (
	maxSource = 1 << 19
	maxUnder  = 16 << 20
)

func tooDeep(what string) string {
	return fmt.Sprintf("the file has more than %d %s in each other, and is not read", maxNesting, what)
}

// nesting says where brackets nest deeper than is read.
func nesting(t []token) *Fault {
	depth := 0
	for i := range t {
		switch t[i].text {
		case "(", "[", "{":
			if depth++; depth > maxNesting {
				return &Fault{tooDeep("brackets"), []int{t[i].line}}
			}
		case ")", "]", "}":
			depth--
		}
	}
	return nil
}

// deepStatement says where the statements of a function nest deeper than is read, as in a long chain of else if.
func deepStatement(body []stmt) (deep *Fault) {
	within(body, func(s *stmt) {
		if s.word == tooDeepWord && deep == nil {
			deep = &Fault{tooDeep("statements"), []int{s.at.line}}
		}
	})
	return deep
}
