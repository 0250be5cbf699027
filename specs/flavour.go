// SPDX-License-Identifier: Apache-2.0

package specs

import (
	"regexp"
	"strings"
)

// PAE is the flavour for 32-bit machines with more than 4 GiB of memory.
const PAE = "PAE"

// Flavours are those that the spec has for an architecture (x86_64 or i386).
func Flavours(arch string) []string {
	if arch == "i386" {
		return []string{PAE}
	}
	return nil
}

// FlavourNeeds are the options that a flavour's configuration must have in the end.
func FlavourNeeds(flavour string) []string {
	if flavour != PAE {
		return nil
	}
	return []string{"CONFIG_X86_PAE"}
}

// The options among which a configuration chooses how much memory a 32-bit kernel sees.
var memoryChoice = regexp.MustCompile(`^(# )?CONFIG_(NOHIGHMEM|HIGHMEM4G|HIGHMEM64G|X86_PAE)\b`)

// FlavourConfig changes a configuration, whole or a fragment, to that of a flavour. The
// spec's %build fails where the tree does not take it so.
func FlavourConfig(flavour string, config []byte) []byte {
	if flavour != PAE {
		return config
	}
	var b strings.Builder
	for row := range strings.Lines(string(config)) {
		if !memoryChoice.MatchString(row) {
			b.WriteString(row)
		}
	}
	if text := b.String(); text != "" && !strings.HasSuffix(text, "\n") {
		b.WriteByte('\n')
	}
	b.WriteString("# CONFIG_NOHIGHMEM is not set\n# CONFIG_HIGHMEM4G is not set\nCONFIG_HIGHMEM64G=y\n")
	return []byte(b.String())
}
