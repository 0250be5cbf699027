// SPDX-License-Identifier: Apache-2.0

// Package tomlfile says what is wrong in a TOML file: in which line, and in words for people. The
// library's are of Go's types.
package tomlfile

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// Place is a file, with a line if that is known (above 0).
func Place(path string, line int) string {
	if line < 1 {
		return path
	}
	return fmt.Sprintf("%s:%d", path, line)
}

// Told is what the library's error says, and of which line; 0 for none.
func Told(err error) (line int, text string) {
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		text := wrongType(parse.Message)
		if parse.LastKey != "" {
			text = parse.LastKey + ": " + text
		}
		return parse.Position.Line, text
	}
	// A value of the wrong type has no ParseError, but its text has the line.
	if m := regexp.MustCompile(`^toml: line (\d+) \(last key "(.*?)"\): (.*)$`).FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1]) // digits
		return line, m[2] + ": " + wrongType(m[3])
	}
	return 0, err.Error()
}

// wrongType says in our words what the library says of a value of the wrong type.
func wrongType(text string) string {
	if m := regexp.MustCompile(`^incompatible types: TOML value has type (\S+); destination has type (\S+)$`).FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("it is of type %s, and must be of type %s", Word(m[1]), Word(m[2]))
	}
	if m := regexp.MustCompile(`^type mismatch for \S+: expected table but found (\S+)$`).FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("it is of type %s, and must be of type table", Word(m[1]))
	}
	if value, ok := strings.CutPrefix(text, "invalid duration: "); ok {
		return value + ": write a time with its unit, for example 90m"
	}
	if regexp.MustCompile(`^\S+ is out of range for (int|float)\d*$`).MatchString(text) {
		return "the number is too large"
	}
	return text
}

// Word is what people call a type of the library's or of Go's.
func Word(name string) string {
	switch name {
	case "slice", "[]any", "[]interface", "Array", "ArrayHash":
		return "list"
	case "map", "struct", "Hash", "map[string]any":
		return "table"
	case "string", "String":
		return "text"
	case "int", "int64", "integer", "Integer":
		return "whole number"
	case "float64", "Float":
		return "number"
	case "Datetime":
		return "date"
	case "bool", "Bool":
		return "true or false"
	}
	return name
}

// refused is a value that is refused whatever it is: the library then says in which line it
// stands.
type refused struct{}

var errRefused = errors.New("refused")

func (*refused) UnmarshalTOML(any) error { return errRefused }

// Line is the line of a key, 0 where that can't be told, as of a table that is there by its keys alone.
func Line(data []byte, key ...string) (line int) {
	var table map[string]toml.Primitive
	md, decodeErr := toml.Decode(string(data), &table)
	for i, k := range key {
		value, ok := table[k]
		if decodeErr != nil || !ok {
			break
		}
		var parse toml.ParseError
		if errors.As(md.PrimitiveDecode(value, new(refused)), &parse) && parse.Position.Line > 0 {
			line = parse.Position.Line
		}
		table = nil
		if i+1 < len(key) {
			decodeErr = md.PrimitiveDecode(value, &table)
		}
	}
	return line
}
