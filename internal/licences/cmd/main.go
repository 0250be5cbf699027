// SPDX-License-Identifier: Apache-2.0

// Command cmd prints the licence texts and notices of every module that the installed
// programs link, which those licences want handed on with the programs. It runs at the top
// of the repository.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"ovzpatch/internal/licences"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run() error {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		return err
	}
	programs, err := licences.Shipped(makefile)
	if err != nil {
		return err
	}
	modules, err := licences.Linked(context.Background(), ".", programs...)
	if err != nil {
		return err
	}
	fmt.Println("ovzpatch and the programs it puts into guests link these modules.")
	for _, m := range modules {
		fmt.Printf("\n%s\n%s %s: %s\n", strings.Repeat("=", 80), m.Path, m.Version, strings.Join(m.Licences, " AND "))
		for _, file := range append(m.Files, m.Notices...) {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			fmt.Printf("\n%s\n", text)
		}
	}
	return nil
}
