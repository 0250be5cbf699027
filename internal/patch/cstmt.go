// SPDX-License-Identifier: GPL-2.0-only

package patch

// stmt is a C statement. One with a cond is an if, a loop or a switch.
type stmt struct {
	word   string  // "if", "while", "for", "switch", "do", "{", "" for an expression
	tokens []token // of an expression, return or goto, without the semicolon
	cond   []token // without the parentheses
	body   []stmt
	other  []stmt // behind else
}

// line is where the statement starts; 0 for an empty block.
func (s *stmt) line() int {
	switch {
	case len(s.tokens) > 0:
		return s.tokens[0].line
	case len(s.cond) > 0:
		return s.cond[0].line
	case len(s.body) > 0:
		return s.body[0].line()
	}
	return 0
}

// leaves reports whether control never goes on behind the statements.
func leaves(body []stmt) bool {
	if len(body) == 0 {
		return false
	}
	last := &body[len(body)-1]
	switch {
	case last.word == "{":
		return leaves(last.body)
	case last.word == "if":
		return leaves(last.body) && leaves(last.other)
	case len(last.tokens) == 0:
		return false
	}
	switch last.tokens[0].text {
	case "return", "goto":
		return true
	}
	return false
}

// maxDepth bounds how deep statements nest; what nests deeper is no kernel source.
const maxDepth = 200

// statements reads all of t.
func statements(t []token) (all []stmt, rest []token) {
	return statementsTo(t, 0)
}

func statementsTo(t []token, depth int) (all []stmt, rest []token) {
	for len(t) > 0 {
		var s stmt
		s, t = statement(t, depth)
		all = append(all, s)
	}
	return all, t
}

// statement reads one statement and returns what follows. It always takes a token at least.
func statement(t []token, depth int) (stmt, []token) {
	if depth > maxDepth {
		return stmt{}, nil
	}
	switch word := t[0].text; word {
	case "{":
		end := closing(t, 0)
		body, _ := statementsTo(t[1:end], depth+1)
		return stmt{word: "{", body: body}, t[min(end+1, len(t)):]
	case "if", "while", "for", "switch":
		if len(t) < 2 || t[1].text != "(" {
			break
		}
		end := closing(t, 1)
		s := stmt{word: word, cond: t[2:max(end, 2)]}
		t = t[min(end+1, len(t)):]
		s.body, t = branch(t, depth)
		if word == "if" && len(t) > 0 && t[0].text == "else" {
			s.other, t = branch(t[1:], depth)
		}
		return s, t
	case "do":
		s := stmt{word: "do"}
		s.body, t = branch(t[1:], depth)
		return s, t
	}
	if isLabel(t) {
		return stmt{}, t[2:]
	}
	for i := 0; i < len(t); i++ {
		switch t[i].text {
		case ";":
			return stmt{tokens: t[:i]}, t[i+1:]
		case "(", "[", "{":
			i = closing(t, i)
		}
	}
	return stmt{tokens: t}, nil
}

// branch reads the statement that an if or a loop is about.
func branch(t []token, depth int) ([]stmt, []token) {
	if len(t) == 0 {
		return nil, nil
	}
	s, rest := statement(t, depth+1)
	if s.word == "{" {
		return s.body, rest
	}
	return []stmt{s}, rest
}

func isLabel(t []token) bool {
	return len(t) >= 2 && t[1].text == ":" && isNameStart(t[0].text[0]) && t[0].text != "default"
}
