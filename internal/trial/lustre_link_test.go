// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"ovzpatch/internal/job"
	"ovzpatch/internal/qemu"
)

func TestCheckLink(t *testing.T) {
	given := func(listen, connect string) Lustre {
		return Lustre{From: []string{"."}, Mount: "a", Listen: listen, Connect: connect}
	}
	for name, tt := range map[string]struct {
		lustre Lustre
		says   string // "" for none
	}{
		"none":            {given("", ""), ""},
		"listen":          {given("127.0.0.1:7000", ""), ""},
		"connect":         {given("", "10.1.2.3:7000"), ""},
		"both":            {given("127.0.0.1:7000", "127.0.0.1:7000"), "one guest listens"},
		"without Lustre":  {Lustre{Connect: "127.0.0.1:7000"}, "--lustre-connect needs --lustre"},
		"no port":         {given("127.0.0.1", ""), "--lustre-listen=127.0.0.1: use an IPv4 address"},
		"port 0":          {given("127.0.0.1:0", ""), "use an IPv4 address"},
		"a name":          {given("", "localhost:7000"), "use an IPv4 address"},
		"IPv6":            {given("[::1]:7000", ""), "use an IPv4 address"},
		"more for QEMU":   {given("127.0.0.1:7000,id=x", ""), "use an IPv4 address"},
		"a second socket": {given("", "127.0.0.1:7000 -daemonize"), "use an IPv4 address"},
	} {
		err := tt.lustre.Check()
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
		if err != nil && !errors.Is(err, job.ErrRequest) {
			t.Errorf("%s: %v is no bad request", name, err)
		}
	}
}

func TestLinkFor(t *testing.T) {
	tree := func(dep, builtin string) fstest.MapFS {
		return fstest.MapFS{"modules.dep": {Data: []byte(dep)}, "modules.builtin": {Data: []byte(builtin)}}
	}
	connect, listen := Lustre{Connect: "127.0.0.1:7000"}, Lustre{Listen: "127.0.0.1:7000"}
	for name, tt := range map[string]struct {
		lustre  Lustre
		tree    fstest.MapFS
		modules []string
		args    []string // of QEMU
		words   []string // for the guest
	}{
		"virtio as modules": {
			connect, tree("net/virtio_net.ko: virtio/virtio.ko\nvirtio/virtio.ko:\nvirtio/virtio_pci.ko: virtio/virtio.ko\ne1000.ko:\n", ""),
			[]string{"virtio/virtio.ko", "virtio/virtio_pci.ko", "virtio/virtio.ko", "net/virtio_net.ko"},
			[]string{"-netdev", "socket,id=lustre,connect=127.0.0.1:7000", "-device", "virtio-net-pci,netdev=lustre,romfile=,mac=52:54:00:00:00:02"},
			[]string{"umounttest.address=10.0.0.2"},
		},
		"the bus built in": {
			listen, tree("virtio_net.ko:\n", "kernel/virtio_pci.ko\n"),
			[]string{"virtio_net.ko"},
			[]string{"-netdev", "socket,id=lustre,listen=127.0.0.1:7000", "-device", "virtio-net-pci,netdev=lustre,romfile=,mac=52:54:00:00:00:01"},
			[]string{"umounttest.address=10.0.0.1"},
		},
		"a kernel that does not say what is built in": {
			listen,
			fstest.MapFS{"modules.dep": {Data: []byte("virtio_net.ko:\n")}},
			[]string{"virtio_net.ko"},
			[]string{"-netdev", "socket,id=lustre,listen=127.0.0.1:7000", "-device", "virtio-net-pci,netdev=lustre,romfile=,mac=52:54:00:00:00:01"},
			[]string{"umounttest.address=10.0.0.1"},
		},
		"e1000 alone": {
			connect, tree("e1000.ko:\n", ""),
			[]string{"e1000.ko"},
			[]string{"-netdev", "socket,id=lustre,connect=127.0.0.1:7000", "-device", "e1000,netdev=lustre,romfile=,mac=52:54:00:00:00:02"},
			[]string{"umounttest.address=10.0.0.2"},
		},
	} {
		end, err := tt.lustre.linkFor(tt.tree)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m := qemu.Machine{Accel: qemu.Accel{Icount: true}}
		end.join(&m)
		if !slices.Equal(end.modules, tt.modules) || !slices.Equal(m.Extra, tt.args) || !slices.Equal(m.Append, tt.words) {
			t.Errorf("%s: modules %q, arguments %q, words %q", name, end.modules, m.Extra, m.Append)
		}
		if m.Accel.Icount {
			t.Errorf("%s: the guest's clock runs away from the other's", name)
		}
	}
	if _, err := connect.linkFor(tree("dummy.ko:\n", "")); err == nil || !strings.Contains(err.Error(), "virtio_net, e1000") {
		t.Errorf("no card: %v", err)
	}
	if end, err := (Lustre{}).linkFor(tree("", "")); end != nil || err != nil {
		t.Errorf("no link: %v, %v", end, err)
	}
}
