// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
)

// settings are the environment variables through which a launcher finds the user's settings for
// it. The build has another home directory, and no other settings of the user may reach it.
func (l *Launcher) settings(getenv func(string) string) ([]string, error) {
	home := getenv("HOME")
	if home == "" {
		return nil, nil
	}
	config := cmp.Or(getenv("XDG_CONFIG_HOME"), filepath.Join(home, ".config"))
	only := filepath.Join(l.dir, "config")
	if err := os.MkdirAll(only, 0o755); err != nil {
		return nil, fmt.Errorf("pass settings on: %w", err)
	}
	if err := os.Symlink(filepath.Join(config, l.name), filepath.Join(only, l.name)); err != nil {
		return nil, fmt.Errorf("pass settings on: %w", err)
	}
	env := []string{
		"XDG_CONFIG_HOME=" + only,
		"XDG_CACHE_HOME=" + cmp.Or(getenv("XDG_CACHE_HOME"), filepath.Join(home, ".cache")),
	}
	// Where ccache before 4 had everything, and later versions still look first; where distcc has
	// everything.
	for variable, dir := range map[string]string{"CCACHE_DIR": ".ccache", "DISTCC_DIR": ".distcc"} {
		dir = filepath.Join(home, dir)
		if _, err := os.Stat(dir); err == nil && getenv(variable) == "" {
			env = append(env, variable+"="+dir)
		}
	}
	return env, nil
}
