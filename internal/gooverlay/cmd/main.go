// SPDX-License-Identifier: Apache-2.0

// Command cmd writes the overlay with which the guest's programs are built for kernels
// before 2.6.27, from the Go toolchain that runs it.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"ovzpatch/internal/gooverlay"
)

func main() {
	dir := flag.String("o", "", "directory for the overlay")
	flag.Parse()
	if *dir == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "gooverlay:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	// Not runtime.GOROOT: it is empty in a program built with -trimpath.
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("ask go for GOROOT: %w", err)
	}
	_, err = gooverlay.Write(strings.TrimSpace(string(goroot)), dir)
	return err
}
