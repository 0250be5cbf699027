// SPDX-License-Identifier: Apache-2.0

// Command init is PID 1 of the guests that the tests of package qemu boot. What it does
// is the kernel argument act=WORD, which the kernel hands on as an environment variable.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/guest"
)

func main() {
	results, err := os.OpenFile("/dev/ttyS1", os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		fmt.Println("init:", err)
		return
	}
	act := os.Getenv("act")
	fmt.Println("init: acting", act)
	enc := guest.NewEncoder(results)
	send(enc, guest.Event{Hello: &guest.Hello{Release: "test", Args: []string{act}, Cases: 1}})
	switch act {
	case "done":
		finish(enc)
	case "done-hang":
		finish(enc)
		forever("")
	case "done-crash":
		finish(enc)
		crash()
	case "flood":
		for i := range 2000 {
			fmt.Println("init: line", i, strings.Repeat("x", 80))
		}
		finish(enc)
	case "early":
	case "exit":
		os.Exit(3)
	case "gap":
		io.WriteString(results, `{"n":3,"note":{"text":"two is missing"}}`+"\n")
		forever("")
	case "half-line-crash":
		io.WriteString(results, `{"n":2,"note":`)
		crash()
	case "crash":
		crash()
	case "hang":
		forever("")
	case "chatter":
		forever("init: still here")
	case "notes":
		for {
			send(enc, guest.Event{Note: &guest.Note{Text: "slow"}})
			time.Sleep(time.Second)
		}
	case "shell":
		shell()
	}
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func send(enc *guest.Encoder, e guest.Event) {
	if err := enc.Encode(e); err != nil {
		fmt.Println("init:", err)
	}
}

func finish(enc *guest.Encoder) {
	send(enc, guest.Event{Case: &guest.Result{Name: "one", Backend: "host", Verdict: guest.Either}})
	send(enc, guest.Event{Done: &guest.Done{Cases: 1, Verdict: guest.Either}})
}

func forever(say string) {
	for {
		if say != "" {
			fmt.Println(say)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func crash() {
	os.Mkdir("/proc", 0o755)
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		fmt.Println("init:", err)
	}
	if err := os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0); err != nil {
		fmt.Println("init:", err)
	}
	forever("")
}

// shell answers each line it reads, until "bye".
func shell() {
	var word string
	for word != "bye" {
		fmt.Print("init> ")
		if _, err := fmt.Scanln(&word); err != nil {
			forever("init: console closed: " + err.Error())
		}
		fmt.Printf("you said %q\n", word)
	}
}
