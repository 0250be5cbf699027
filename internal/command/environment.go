// SPDX-License-Identifier: Apache-2.0

package command

import (
	"slices"
	"strings"
)

// handedOn are the variables that Clean leaves: where programs and room are, the network,
// who one is, and what compiler launchers and mock are told. A name that ends in _ is a
// beginning.
var handedOn = []string{
	"PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "TZ",
	"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY",
	"LD_LIBRARY_PATH", "LD_PRELOAD", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR",
	// Another installation of rpm, whose settings count.
	"RPM_CONFIGDIR",
	"CCACHE_", "DISTCC_", "ICECC_", "SCCACHE_", "AWS_",
}

// clean gives what Clean leaves of an environment.
func clean(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return !slices.ContainsFunc(handedOn, func(h string) bool {
			return name == h || strings.HasSuffix(h, "_") && strings.HasPrefix(name, h)
		})
	})
}
