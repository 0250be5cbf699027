// SPDX-License-Identifier: Apache-2.0

package gate

import "ovzpatch/internal/ctext"

// stmt is a C statement.
type stmt struct {
	// word is "if", "while", "for", "switch", "do", "{", "label", "return", "goto", or "" for
	// an expression or a declaration.
	word   string
	tokens []token // of an expression, a return's value, the name of a label; all of a loop
	cond   []token // of an if, without the parentheses
	body   []stmt
	other  []stmt // behind else
	at     token  // its first token
	last   int    // line of its last one

	// What is worked out once, as each statement is run some thousand times.
	spelling string
	read     *expr
	readErr  error
	isRead   bool
}

// text is the statement as the check compares it; of an if only the condition.
func (s *stmt) text() string {
	if s.spelling != "" {
		return s.spelling
	}
	switch s.word {
	case "if":
		s.spelling = "if (" + spelled(s.cond) + ")"
	case "{":
		s.spelling = "{"
	default:
		s.spelling = s.word + " " + spelled(s.tokens)
	}
	return s.spelling
}

// expression is the expression of a statement, or the condition of an if.
func (s *stmt) expression() (*expr, error) {
	if !s.isRead {
		t := s.tokens
		if s.word == "if" {
			t = s.cond
		}
		s.isRead = true
		s.read, s.readErr = expression(t)
	}
	return s.read, s.readErr
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
		before := t
		s, t = statement(t, depth)
		s.at, s.last = before[0], before[max(len(before)-len(t), 1)-1].line
		if s.word != "" || len(s.tokens) > 0 {
			all = append(all, s)
		}
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
	case "if":
		if len(t) < 2 || t[1].text != "(" {
			break
		}
		end := closing(t, 1)
		s := stmt{word: word, cond: t[2:max(end, 2)]}
		t = t[min(end+1, len(t)):]
		s.body, t = branch(t, depth)
		if len(t) > 0 && t[0].text == "else" {
			s.other, t = branch(t[1:], depth)
		}
		return s, t
	case "while", "for", "switch":
		if len(t) < 2 || t[1].text != "(" {
			break
		}
		all := t
		end := closing(t, 1)
		_, t = branch(t[min(end+1, len(t)):], depth)
		return stmt{word: word, tokens: all[:len(all)-len(t)]}, t
	case "do":
		all := t
		_, t = branch(t[1:], depth)
		for len(t) > 0 && t[0].text != ";" {
			t = t[1:]
		}
		return stmt{word: "do", tokens: all[:len(all)-len(t)]}, t
	}
	if isLabel(t) {
		return stmt{word: "label", tokens: t[:1]}, t[2:]
	}
	end := len(t)
	for i := 0; i < end; i++ {
		switch t[i].text {
		case ";":
			end = i
		case "(", "[", "{":
			i = closing(t, i)
		}
	}
	s := stmt{tokens: t[:end]}
	if end > 0 && (t[0].text == "return" || t[0].text == "goto") {
		s.word, s.tokens = t[0].text, t[1:end]
	}
	return s, t[min(end+1, len(t)):]
}

// branch reads the statement that an if or a loop is about.
func branch(t []token, depth int) ([]stmt, []token) {
	if len(t) == 0 {
		return nil, nil
	}
	s, rest := statement(t, depth+1)
	s.at, s.last = t[0], t[max(len(t)-len(rest), 1)-1].line
	switch {
	case s.word == "{":
		return s.body, rest
	case s.word == "label":
		// It belongs to the statement behind it.
		body, rest := branch(rest, depth+1)
		return append([]stmt{s}, body...), rest
	}
	return []stmt{s}, rest
}

func isLabel(t []token) bool {
	return len(t) >= 2 && t[1].text == ":" && ctext.NameStart(t[0].text[0]) && t[0].text != "default"
}
