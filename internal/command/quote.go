// SPDX-License-Identifier: Apache-2.0

package command

import "strings"

// Quote writes words such that a shell reads them as they are.
func Quote(words ...string) string {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
	}
	return strings.Join(quoted, " ")
}
