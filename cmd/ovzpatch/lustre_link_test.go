// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/probe"
)

// serverSource answers so many clients, and ends.
const serverSource = `#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>
int main(int n, char **arg)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(988) };
	int s = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(s, (void *)&at, sizeof(at)) != 0 || listen(s, 9) != 0)
		return 1;
	for (n = atoi(arg[1]); n > 0; n--)
		close(accept(s, 0, 0));
	sleep(1);
	return 0;
}
`

// clientSource is a mount.lustre ADDRESS DIRECTORY for the probe, which wants that server at the address.
const clientSource = `#include <arpa/inet.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>
int main(int n, char **arg)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(988) };
	int i, s = -1;
	for (i = 0; n == 3 && inet_aton(arg[1], &at.sin_addr) && i < 200; i++) {
		s = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(s, (void *)&at, sizeof(at)) == 0)
			return mount("probe", arg[2], "lustre", 0, "") ? 2 : 0;
		close(s);
		sleep(1);
	}
	perror("no server");
	return 1;
}
`

// linkStatic compiles a program that needs nothing of the guest's.
func linkStatic(t *testing.T, to, source string) {
	t.Helper()
	text := filepath.Join(t.TempDir(), "program.c")
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(text, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "gcc", "-static", "-o", to, text).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// Two guests, one of which has the servers. The probe is in Lustre's place, and its mount helper asks the
// other guest first.
func TestLustreInTwoGuests(t *testing.T) {
	long(t)
	image, modules := stockKernel(t)
	root := t.TempDir()
	module, err := probe.Build(t.Context(), probe.Options{Tree: filepath.Join(modules, "build"), Dir: t.TempDir(), Release: filepath.Base(modules)})
	if err != nil {
		t.Fatal(err)
	}
	extra := filepath.Join(root, "lib/modules", filepath.Base(modules), "extra")
	if err := os.MkdirAll(extra, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Copy(module, filepath.Join(extra, probe.File)); err != nil {
		t.Fatal(err)
	}
	clients := filepath.Join(t.TempDir(), "clients")
	linkStatic(t, filepath.Join(clients, "sbin/mount.lustre"), clientSource)
	servers := filepath.Join(t.TempDir(), "servers")
	linkStatic(t, filepath.Join(servers, "sbin/serve"), serverSource)

	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	common := []string{"--kernel", image, "--modules", modules, "--lustre", root}
	// The first mount is that of the guest itself; the case has the second.
	server := make(chan string, 1)
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("/sbin/serve 2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	go func() {
		stdin := []string{"sh", "-c", `exec "$@" <` + script, "sh"}
		stdout, stderr, code := ovzpatchIn(t, stdin, append([]string{"shell", "--lustre", servers, "--mount", "none", "--lustre-listen", at}, common...)...)
		server <- fmt.Sprintf("exit code %d\n%s\n%s", code, stdout, stderr)
	}()
	waitForListener(t, at, server)
	stdout, stderr, code := ovzpatch(t, append([]string{
		"test", "--json", "--container=namespaces", "--cases=^force-idle$", "--expect=vulnerable",
		"--lustre", clients, "--mount", "10.0.0.1", "--lustre-connect", at,
	}, common...)...)
	if code != 0 {
		t.Fatalf("client: exit code %d\n%s\n%s", code, stderr, stdout)
	}
	if k := parseReport(t, stdout).Kernels[0]; k.Verdict != guest.Vulnerable || len(k.Results) != 1 {
		t.Errorf("client: %+v", k)
	}
	if said := <-server; !strings.HasPrefix(said, "exit code 0\n") {
		t.Errorf("server: %s", said)
	}
}

// waitForListener waits for the first guest's QEMU without a connection, which would be the second guest's.
func waitForListener(t *testing.T, at string, ended <-chan string) {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp4", at)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(" 0100007F:%04X 00000000:0000 0A ", a.Port)
	for range 600 {
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(table), want) {
			return
		}
		select {
		case said := <-ended:
			t.Fatalf("the first guest ended: %s", said)
		case <-time.After(200 * time.Millisecond):
		}
	}
	t.Fatal("the first guest does not listen")
}
