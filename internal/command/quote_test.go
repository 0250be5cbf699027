// SPDX-License-Identifier: Apache-2.0

package command_test

import (
	"os/exec"
	"testing"

	"ovzpatch/internal/command"
)

func TestQuote(t *testing.T) {
	const text = "it's $HOME `x` \"y\" \\ \n*"
	out, err := exec.CommandContext(t.Context(), "sh", "-c", command.Quote("printf", "%s|", text, "", "a b")).Output()
	if err != nil || string(out) != text+"||a b|" {
		t.Errorf("%v: %q", err, out)
	}
}
