// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// value is what an expression is on one way through the source: a number, a text, or a term,
// which stands for whatever the kernel has there.
type value struct {
	kind   kind
	n      int64
	s      string // a text, or a term
	not    bool   // of a term: it is the term's truth turned round
	twice  bool   // of a term: it is the term's truth, 0 or 1
	ofType bool   // of a text: it is the type's name, or the end of it
	level  string // of a text: the name before it, as KERN_WARNING
	in     integer
	sign   string // of a number: the call of which only the sign of what it returned is known
}

type kind int

const (
	isNumber kind = iota
	isText
	isTerm
)

func num(n int64) value { return value{n: n} }

func term(s string) value { return value{kind: isTerm, s: s} }

func truth(b bool) value {
	if b {
		return num(1)
	}
	return num(0)
}

func (v value) String() string {
	switch {
	case v.sign != "":
		return v.sign
	case v.kind == isNumber && v.in.unsigned:
		return strconv.FormatUint(uint64(v.n), 10)
	case v.kind == isNumber:
		return strconv.FormatInt(v.n, 10)
	case v.kind == isText:
		return strconv.Quote(v.level + v.s)
	case v.not:
		return "!" + v.s
	case v.twice:
		return "!!" + v.s
	}
	return v.s
}

// negated is !v. To negate a term twice makes 0 or 1 of it, which is something else than the term.
func (v value) negated() value {
	v.not, v.twice = !v.not, v.not && !isComparison(v.s)
	return v
}

// isComparison reports whether a term is 0 or 1 anyway.
func isComparison(s string) bool {
	return strings.HasPrefix(s, "(") && strings.Contains(s, " == ") && closingText(s) == len(s)-1
}

// closingText is where the bracket that a text begins with is closed.
func closingText(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(s)
}

// constants are the names whose values matter here.
var constants = map[string]int64{
	"MNT_FORCE": mntForce, "MNT_DETACH": mntDetach, "MNT_EXPIRE": mntExpire, "UMOUNT_NOFOLLOW": umountNofollow,
	"NULL": 0, "true": 1, "false": 0,
}

// The flags of umount2(2).
const (
	mntForce       = 1
	mntDetach      = 2
	mntExpire      = 4
	umountNofollow = 8
)

// flagNames spells flags.
func flagNames(n int64) string {
	var all []string
	for i, name := range []string{"MNT_FORCE", "MNT_DETACH", "MNT_EXPIRE", "UMOUNT_NOFOLLOW"} {
		if n&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	if rest := n &^ 15; rest != 0 {
		all = append(all, fmt.Sprintf("0x%x", uint32(rest)))
	}
	if len(all) == 0 {
		return "no flag"
	}
	return strings.Join(all, "|")
}

// member is a member of a struct. Ways to the same thing are spelled alike.
func member(base value, op, name string) value {
	s := base.String()
	if op == "->" {
		if of, ok := strings.CutPrefix(s, "&"); ok {
			return member(term(of), ".", name)
		}
		return term(s + "->" + name)
	}
	if of, ok := mountOf(s); ok {
		return term(of + "->" + name)
	}
	return term(s + "." + name)
}

// mountOf undoes real_mount(): a struct mount holds the struct vfsmount that it was made from.
func mountOf(s string) (string, bool) {
	inner, ok := strings.CutSuffix(s, ")->mnt")
	inner, begins := strings.CutPrefix(inner, "real_mount(")
	return inner, ok && begins && strings.Count(inner, "(") == strings.Count(inner, ")")
}

func address(v value) value {
	if of, ok := mountOf(v.s); ok {
		return term(of)
	}
	return term("&" + v.s)
}

// typeName matches the name of the type of the file system that the mount at hand is of: the
// way to it begins at the struct that the lookup of the path filled in.
var typeName = regexp.MustCompile(`^\w+@\w+\.(path\.)?(mnt->mnt_sb|mnt->mnt_root->d_sb|dentry->d_sb)->s_type->name$`)

// isErrorCode reports whether a term is an error, which is never 0.
func isErrorCode(s string) bool {
	return strings.HasPrefix(s, "-E") && strings.ToUpper(s) == s && !strings.ContainsAny(s, "( ")
}

// containerFacts are the terms by which the ports ask for a container, each with whether it is
// true inside of one. ve are those of OpenVZ.
var containerFacts = map[string]struct{ inside, ve bool }{
	"ve_is_super(get_exec_env())":                   {false, true},
	"(get_exec_env() == get_ve0())":                 {false, true},
	"(&ve0 == get_exec_env())":                      {false, true},
	"VEID(get_exec_env())":                          {true, true},
	"get_exec_env()->veid":                          {true, true},
	"(&init_pid_ns == task_active_pid_ns(current))": {false, false},
	"task_active_pid_ns(current)->level":            {true, false},
}

// pure are functions without an effect, of which only the value counts.
var pure = map[string]bool{
	"ve_is_super": true, "get_exec_env": true, "get_ve0": true, "VEID": true, "task_active_pid_ns": true, "real_mount": true,
	"current_user_ns": true, "strcmp": true, "strncmp": true, "strcasecmp": true, "strstr": true, "strlen": true,
	"ve_name": true,
}

// widths are the integer types by their bits; those of a negative number have no sign.
var widths = map[string]int{
	"int": 32, "signed": 32, "signed int": 32, "s32": 32, "__s32": 32, "int32_t": 32, "pid_t": 32, "envid_t": 32,
	"unsigned": -32, "unsigned int": -32, "u32": -32, "__u32": -32, "uint32_t": -32, "uint": -32, "uid_t": -32, "gid_t": -32, "dev_t": -32,
	"long": 64, "long int": 64, "long long": 64, "s64": 64, "__s64": 64, "int64_t": 64, "ssize_t": 64, "loff_t": 64,
	"unsigned long": -64, "unsigned long int": -64, "unsigned long long": -64, "ulong": -64, "u64": -64, "__u64": -64, "uint64_t": -64, "size_t": -64,
	"signed char": 8, "s8": 8, "__s8": 8, "int8_t": 8, "unsigned char": -8, "u8": -8, "__u8": -8, "uint8_t": -8,
	"short": 16, "s16": 16, "__s16": 16, "int16_t": 16, "unsigned short": -16, "u16": -16, "__u16": -16, "uint16_t": -16,
}

// integerType is a type by its name.
func integerType(name string) (t integer, ok bool) {
	bits := widths[name]
	if bits < 0 {
		return integer{-bits, true}, true
	}
	return integer{bits: bits}, bits > 0
}

// convert makes a value one of another type. ok is false where it is not known what becomes of it.
func (m *machine) convert(to string, v value) (_ value, ok bool) {
	t, isInteger := integerType(to)
	switch {
	case strings.HasSuffix(to, "*"):
		return v, v.kind == isNumber || !strings.HasPrefix(v.s, "&") || !strings.Contains(v.s, "@")
	case to == "bool" || to == "_Bool":
		return truth(m.decide(v)), true
	case to == "void" || v.kind != isNumber && isInteger && t.width() >= 32:
		return v, true
	case v.kind != isNumber || !isInteger:
		return v, false
	case v.sign != "":
		return v, !t.unsigned && t.width() >= 32
	default:
		return t.of(v.n), true
	}
}
