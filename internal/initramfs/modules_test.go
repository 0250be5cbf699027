// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func moduleTree(dep, builtin string) fs.FS {
	return fstest.MapFS{"modules.dep": {Data: []byte(dep)}, "modules.builtin": {Data: []byte(builtin)}}
}

func TestSelectModules(t *testing.T) {
	const dep = `kernel/fs/nfs/nfs.ko.xz: kernel/fs/lockd/lockd.ko.xz kernel/net/sunrpc/sunrpc.ko.xz
kernel/fs/lockd/lockd.ko.xz: kernel/net/sunrpc/sunrpc.ko.xz
kernel/net/sunrpc/sunrpc.ko.xz:
kernel/drivers/net/virtio-net.ko.xz:
`
	const old = `# as module-init-tools wrote it
/lib/modules/2.6.18-028stab056/kernel/fs/ext3/ext3.ko: \
	/lib/modules/2.6.18-028stab056/kernel/fs/jbd/jbd.ko

/lib/modules/2.6.18-028stab056/kernel/fs/jbd/jbd.ko:
`
	tests := map[string]struct {
		tree  fs.FS
		names []string
		want  []string
		err   string
	}{
		"none wanted":     {tree: fstest.MapFS{}},
		"dependencies":    {tree: moduleTree(dep, ""), names: []string{"nfs"}, want: []string{"kernel/net/sunrpc/sunrpc.ko.xz", "kernel/fs/lockd/lockd.ko.xz", "kernel/fs/nfs/nfs.ko.xz"}},
		"each once":       {tree: moduleTree(dep, ""), names: []string{"lockd", "sunrpc"}, want: []string{"kernel/net/sunrpc/sunrpc.ko.xz", "kernel/fs/lockd/lockd.ko.xz"}},
		"dash, underline": {tree: moduleTree(dep, ""), names: []string{"virtio_net"}, want: []string{"kernel/drivers/net/virtio-net.ko.xz"}},
		"built in":        {tree: moduleTree(dep, "kernel/drivers/tty/serial/8250/8250.ko\n"), names: []string{"8250"}},
		"unknown":         {tree: moduleTree(dep, "kernel/a.ko"), names: []string{"lustre"}, err: "lustre: " + ErrNoModule.Error()},
		"2.6.18":          {tree: fstest.MapFS{"modules.dep": {Data: []byte(old)}}, names: []string{"ext3"}, want: []string{"kernel/fs/jbd/jbd.ko", "kernel/fs/ext3/ext3.ko"}},
		"circle":          {tree: moduleTree("a.ko: b.ko\nb.ko: a.ko\n", ""), names: []string{"a"}, want: []string{"b.ko", "a.ko"}},
		"no list":         {tree: fstest.MapFS{}, names: []string{"a"}, err: "depmod"},
		"no colon":        {tree: moduleTree("a.ko:\nb.ko\n", ""), names: []string{"a"}, err: "line 2"},
		"upwards":         {tree: moduleTree("a.ko: ../../etc/passwd\n", ""), names: []string{"a"}, err: "line 1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := SelectModules(tt.tree, tt.names)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want something about %q", err, tt.err)
				}
				return
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func FuzzSelectModules(f *testing.F) {
	f.Add("a.ko: b.ko \\\n c.ko\n/lib/modules/1/b.ko.xz:\n", "kernel/d.ko\n", "a")
	f.Fuzz(func(t *testing.T, dep, builtin, name string) {
		files, err := SelectModules(moduleTree(dep, builtin), []string{name})
		if err != nil {
			return
		}
		for i, file := range files {
			if !fs.ValidPath(file) || slices.Contains(files[:i], file) {
				t.Errorf("%q is outside the tree or there twice", file)
			}
		}
	})
}
