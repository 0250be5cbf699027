// SPDX-License-Identifier: Apache-2.0

package command

import (
	"slices"
	"strings"
)

// handedOn are the variables that Clean keeps: where programs and disk space are, the network,
// the user, and the settings of compiler launchers and mock. A name that ends in _ is a prefix.
var handedOn = []string{
	"PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "TZ",
	"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY",
	"LD_LIBRARY_PATH", "LD_PRELOAD", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR",
	// The settings of another installation of rpm.
	"RPM_CONFIGDIR",
	"CCACHE_", "DISTCC_", "ICECC_", "SCCACHE_", "AWS_",
}

// clean returns what Clean keeps of an environment.
func clean(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return !slices.ContainsFunc(handedOn, func(h string) bool {
			return name == h || strings.HasSuffix(h, "_") && strings.HasPrefix(name, h)
		})
	})
}
