// SPDX-License-Identifier: GPL-2.0-only

package patch

import (
	"slices"
	"strings"
)

func has(t []token, text string) bool {
	return slices.ContainsFunc(t, func(tok token) bool { return tok.text == text })
}

// isCapability knows the functions that say whether a caller may umount.
func isCapability(name string) bool {
	return name == "may_mount" || strings.HasSuffix(name, "capable")
}

func hasCapability(t []token) bool {
	return slices.ContainsFunc(t, func(tok token) bool { return isCapability(tok.text) })
}

// refuses reports whether a block gives up with one of the errors of MNT_EXPIRE.
func refuses(body []stmt) bool {
	found := false
	each(body, func(t []token) {
		found = found || has(t, "EINVAL") || has(t, "EAGAIN") || has(t, "EBUSY")
	})
	return found
}

// dropsForce knows "flags &= ~MNT_FORCE" and its like, and gives what else is taken away
// with it.
func dropsForce(t []token) (drops bool, also []string) {
	for i := 0; i+1 < len(t); i++ {
		if t[i].text != "~" {
			continue
		}
		if t[i+1].text == "MNT_FORCE" {
			return true, nil
		}
		if t[i+1].text != "(" {
			continue
		}
		mask := t[i+2 : max(closing(t, i+1), i+2)]
		if !has(mask, "MNT_FORCE") {
			continue
		}
		for _, tok := range mask {
			if isNameStart(tok.text[0]) && tok.text != "MNT_FORCE" {
				also = append(also, tok.text)
			}
		}
		return true, also
	}
	return false, nil
}
