// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/jstemmer/go-junit-report/v2/junit"
)

// JUnit writes the report as JUnit XML, as GitLab, GitHub's actions and Jenkins read it.
func (r *Report) JUnit(w io.Writer) error {
	var all junit.Testsuites
	var total float64
	for i, s := range r.suites() {
		js := junit.Testsuite{Name: s.name, ID: i}
		var sum float64
		for _, t := range s.tests {
			js.AddTestcase(t.junit())
			if s.name == runSuite || t.name != "boot" { // the boot's time holds that of the cases
				sum += t.seconds
			}
		}
		js.Time = seconds(sum)
		if s.name != runSuite {
			total += sum
		}
		all.AddSuite(js)
	}
	all.Name, all.Time = runSuite, seconds(total)
	all.Skipped = 0 // Jenkins' schema has no such attribute there
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	if err := all.WriteXML(w); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	return nil
}

func (t test) junit() junit.Testcase {
	c := junit.Testcase{Name: t.name, Classname: t.class, Time: seconds(t.seconds)}
	// The message stands in the text, too: some readers show only one of the two.
	result := &junit.Result{Message: t.message}
	switch t.status {
	case failed:
		result.Type, result.Data = "misbehaved", t.message
		c.Failure = result
	case errored:
		result.Type, result.Data = "machinery", t.message
		c.Error = result
	case skipped:
		c.Skipped = result
	}
	if t.text != "" {
		c.SystemOut = &junit.Output{Data: t.text}
	}
	return c
}

// seconds is a time with a dot, whatever the locale.
func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }
