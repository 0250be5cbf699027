// SPDX-License-Identifier: Apache-2.0

package gate

import "slices"

// oracle decides what the text does not: whether a call succeeds, what a field holds. The same
// question gets the same answer in the runs that are compared. Going through all answers is
// going through all ways.
type oracle struct {
	asked []question
	at    map[string]int
}

type question struct {
	key     string
	answer  int
	answers int
	fact    bool
	by      map[*cfile]bool // whose text asked
	line    int             // of a statement that only the patched text has, or 0
	at      int             // line of the patched text that asked first, or 0
}

func newOracle() *oracle { return &oracle{at: map[string]int{}} }

// ask answers a question with a number below answers.
func (o *oracle) ask(key string, answers int, fact bool, by *cfile, line int) int {
	i, known := o.at[key]
	if !known {
		i = len(o.asked)
		o.asked = append(o.asked, question{key: key, answers: answers, fact: fact, by: map[*cfile]bool{}})
		o.at[key] = i
	}
	q := &o.asked[i]
	q.by[by] = true
	if line > 0 && q.line == 0 {
		q.line = line
	}
	return q.answer
}

// line is that of the question that was asked last, 0 where the patched text asked none.
func (o *oracle) line() int {
	for _, q := range slices.Backward(o.asked) {
		if q.at > 0 && !q.fact {
			return q.at
		}
	}
	return 0
}

// next turns to the next way, and reports whether there is one.
func (o *oracle) next() bool {
	for n := len(o.asked); n > 0; n-- {
		q := &o.asked[n-1]
		if q.answer+1 < q.answers {
			q.answer++
			o.asked = o.asked[:n]
			o.forget()
			return true
		}
	}
	return false
}

// forget forgets who asked, and the questions that are cut off.
func (o *oracle) forget() {
	clear(o.at)
	for i := range o.asked {
		o.asked[i].by, o.asked[i].line = map[*cfile]bool{}, 0
		o.at[o.asked[i].key] = i
	}
}
