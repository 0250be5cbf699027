// SPDX-License-Identifier: Apache-2.0

package terminal

// Colour is the number of one in a terminal's own palette, which its owner has made readable.
type Colour string

// All numbers have two digits: cells of a table stay aligned if all in their column are painted.
const (
	Plain  Colour = "39"
	Red    Colour = "31"
	Green  Colour = "32"
	Yellow Colour = "33"
)

// Painted is a text in a colour; as the cell of a table it is safe from outside text as others are.
type Painted struct {
	Text   string
	Colour Colour
}

// String returns the text on one line, in its colour.
func (p Painted) String() string { return "\x1b[" + string(p.Colour) + "m" + Line(p.Text) + "\x1b[0m" }
