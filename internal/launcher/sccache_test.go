// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"os"
	"path/filepath"
	"testing"
)

// A server that comes later than sccache waits is ours to end; one that ran before is not.
func TestWhoseServer(t *testing.T) {
	for said, ours := range map[string]bool{
		"Server startup failed: Timed out waiting for server startup": true,
		"Server startup failed: Address in use":                       false,
	} {
		dir := t.TempDir()
		program := filepath.Join(dir, "sccache")
		script := "#!/bin/sh\ncase $1 in\n--start-server) echo 'sccache: error: " + said + "' >&2; exit 2 ;;\n" +
			"--show-stats) echo '{}' ;;\n--stop-server) touch " + dir + "/stopped ;;\nesac\n"
		if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		s, err := startServer(t.Context(), program)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir + "/stopped"); (err == nil) != ours {
			t.Errorf("%s: stopped is %v", said, err == nil)
		}
	}
}
