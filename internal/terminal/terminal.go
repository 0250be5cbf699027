// SPDX-License-Identifier: Apache-2.0

// Package terminal makes text safe to show on a terminal. Much of the text comes from guests,
// compilers and other people's files: it must not control the terminal or pretend to be another
// line.
package terminal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode"

	"golang.org/x/sys/unix"
)

// Text returns s with a mark in place of every character that could control a terminal. Newlines
// and tabs stay.
func Text(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// Line is Text on one line: newlines and tabs become blanks, too.
func Line(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, Text(s))
}

// Is reports whether f is a terminal.
func Is(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Table writes rows in aligned columns. Flush ends it.
type Table struct {
	w   *tabwriter.Writer
	out *bufio.Writer // tabwriter writes every cell by itself
}

// NewTable returns a table that is written to w.
func NewTable(w io.Writer) Table {
	out := bufio.NewWriter(w)
	return Table{tabwriter.NewWriter(out, 0, 8, 2, ' ', 0), out}
}

// Row adds a row. Text from outside cannot break it.
func (t Table) Row(cells ...any) {
	line := make([]string, len(cells))
	for i, c := range cells {
		if p, ok := c.(Painted); ok {
			line[i] = p.String()
			continue
		}
		line[i] = Line(fmt.Sprint(c))
	}
	// Flush reports the writer's error.
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(line, "\t"), "\t"))
}

// Flush writes the table out.
func (t Table) Flush() error { return errors.Join(t.w.Flush(), t.out.Flush()) }
