// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"os"
	"testing"
)

// children are what the test binary does as another process of its own tests, by its
// first argument.
var children = map[string]func(args []string){}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && children[os.Args[1]] != nil {
		children[os.Args[1]](os.Args[2:])
		return
	}
	os.Exit(m.Run())
}
