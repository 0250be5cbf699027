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
	inner  []stmt // of a loop or a switch
	begin  []token
	test   []token // of a loop or a switch
	step   []token
	broken bool  // a loop or a switch of a form that is not known
	at     token // its first token
	last   int   // line of its last one

	// What is worked out once, as each statement is run some thousand times.
	spelling string
	read     *expr
	readErr  error
	isRead   bool
	noted    *noted
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

// tooDeepWord is the word of what stands for statements that nest deeper than is read.
const tooDeepWord = "too deep"

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
	if depth > maxNesting {
		return stmt{word: tooDeepWord}, nil
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
		s := stmt{word: word}
		s.heads(t[2:max(min(end, len(t)), 2)])
		s.inner, t = branch(t[min(end+1, len(t)):], depth)
		s.tokens = all[:len(all)-len(t)]
		s.broken = s.broken || word == "switch" && strayCase(s.inner)
		return s, t
	case "do":
		return doWhile(t, depth)
	case "case", "default":
		for i := range t {
			if t[i].text == ":" {
				return stmt{word: word, tokens: t[1:i]}, t[i+1:]
			}
			if t[i].text == ";" {
				break
			}
		}
	}
	if isLabel(t) {
		return stmt{word: "label", tokens: t[:1]}, t[2:]
	}
	return upToSemicolon(t)
}

// doWhile reads a loop that begins with its body.
func doWhile(t []token, depth int) (stmt, []token) {
	all, s := t, stmt{word: "do"}
	s.inner, t = branch(t[1:], depth)
	behind := t
	for len(t) > 0 && t[0].text != ";" {
		t = t[1:]
	}
	if behind = behind[:len(behind)-len(t)]; len(behind) > 2 && behind[1].text == "(" {
		s.test = behind[2 : len(behind)-1]
	}
	s.broken = len(s.test) == 0
	s.tokens = all[:len(all)-len(t)]
	return s, t
}

// upToSemicolon reads a statement without others in it.
func upToSemicolon(t []token) (stmt, []token) {
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
	if end > 0 && (t[0].text == "return" || t[0].text == "goto") || end == 1 && (t[0].text == "break" || t[0].text == "continue") {
		s.word, s.tokens = t[0].text, t[1:end]
	}
	return s, t[min(end+1, len(t)):]
}

// heads reads what stands in the brackets of a loop or a switch.
func (s *stmt) heads(t []token) {
	if s.word != "for" {
		s.test = t
		s.broken = len(t) == 0
		return
	}
	var parts [][]token
	start := 0
	for i := range t {
		if t[i].text == ";" {
			parts = append(parts, t[start:i])
			start = i + 1
		}
	}
	if parts = append(parts, t[start:]); len(parts) != 3 {
		s.broken = true
		return
	}
	s.begin, s.test, s.step = parts[0], parts[1], parts[2]
}

// strayCase reports whether a case stands in a block of a switch's own, or not in a block at all.
func strayCase(body []stmt) bool {
	stray := false
	for i := range body {
		visit := func(s *stmt) { stray = stray || s.word == "case" || s.word == "default" }
		each(body[i].body, visit)
		each(body[i].other, visit)
		if body[i].word != "switch" {
			each(body[i].inner, visit)
		}
	}
	return stray
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
