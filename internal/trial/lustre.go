// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/command"
	"ovzpatch/internal/initramfs"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/qemu"
	"ovzpatch/internal/rpmfile"
)

// Lustre is a user's own, which takes the place of the probe.
type Lustre struct {
	From  []string // directories and packages, laid over the guest's root
	Setup string   // a script that the guest runs before it mounts; "" for none
	Mount string   // what the guest mounts

	// Listen and Connect are where the QEMUs of two guests meet, ADDRESS:PORT, whose Lustre is one
	// filesystem; "" for a guest that has it all.
	Listen, Connect string
}

// Given tells whether there is one.
func (l Lustre) Given() bool { return len(l.From) > 0 }

// Check refuses what does not fit together.
func (l Lustre) Check() error {
	if l.Setup != "" && !l.Given() {
		return job.BadRequest(errors.New("--lustre-setup needs --lustre: it prepares your own Lustre"))
	}
	if strings.ContainsAny(l.Mount, " \t\n\"") {
		return job.BadRequest(fmt.Errorf("--mount=%q: a kernel command line cannot hold a space or a quote", l.Mount))
	}
	return l.checkLink()
}

// readyLustre is a user's own Lustre made ready for a guest.
type readyLustre struct {
	mount   string
	order   *initramfs.ForeignOrder
	overlay string // archive with the modules and the rest
	size    int64  // bytes of the overlay
	link    *link  // to another guest, nil for none
}

// load makes a user's Lustre ready for a kernel; what that takes is put below dir.
func (l Lustre) load(ctx context.Context, u job.Reporter, k *Kernel, dir string) (*readyLustre, error) {
	root := filepath.Join(dir, "lustre-root")
	for _, path := range l.From {
		if err := unpackOver(ctx, path, root); err != nil {
			return nil, err
		}
	}
	modules, images, err := foreignModules(ctx, root)
	if err != nil {
		return nil, err
	}
	if len(modules) == 0 {
		return nil, job.BadRequest(fmt.Errorf("--lustre=%s: no kernel modules below lib/modules: add the package that has them", strings.Join(l.From, ", ")))
	}
	ready := &readyLustre{mount: l.Mount, overlay: filepath.Join(dir, "lustre.cpio")}
	if ready.order, err = initramfs.OrderForeign(os.DirFS(k.Modules), k.Release, driversFirst(modules)); err != nil {
		return nil, job.BadRequest(err)
	}
	if ready.link, err = l.linkFor(os.DirFS(k.Modules)); err != nil {
		return nil, err
	}
	for _, left := range ready.order.Left {
		u.Say("%v", left)
	}
	files := moduleFiles(k.Release, ready.order.Foreign, images)
	if l.Setup != "" {
		files["/etc/umounttest/setup"] = initramfs.Content{Path: l.Setup, Executable: true}
	}
	err = atomicfile.Write(ready.overlay, func(w io.Writer) error { return initramfs.WriteOverlay(w, root, guestsOwn, files) })
	if err != nil {
		return nil, err
	}
	st, err := os.Stat(ready.overlay)
	if err != nil {
		return nil, err
	}
	ready.size = st.Size()
	u.Say("your Lustre: %d modules, %d MiB with its other files, mounted from %s", len(ready.order.Foreign), ready.size>>20, ready.mount)
	return ready, nil
}

// unpackOver puts a directory's or a package's files into root.
func unpackOver(ctx context.Context, from, root string) error {
	st, err := os.Stat(from)
	if err != nil {
		return job.BadRequest(fmt.Errorf("--lustre: %w", err))
	}
	if st.IsDir() {
		if err := os.MkdirAll(root, 0o755); err != nil {
			return err
		}
		// Without --remove-destination cp writes through a link that an earlier tree left.
		return command.Run(ctx, command.Cmd{Args: []string{"cp", "-R", "--preserve=mode,links", "--remove-destination", from + "/.", root}})
	}
	pkg, err := rpmfile.Open(ctx, from)
	if err != nil {
		return err
	}
	defer pkg.Close()
	if pkg.Source {
		return job.BadRequest(fmt.Errorf("%s is a source package: use the packages built from it", from))
	}
	return pkg.Extract(ctx, root, nil)
}

// guestsOwn are the parts of a user's tree that stay out: modules go in one by one, and
// /init and what steers it are the guest's own.
func guestsOwn(name string) bool {
	switch name {
	case "lib/modules", "usr/lib/modules", "usr/src", "boot", "init", "etc/umounttest":
		return true
	}
	return false
}

// foreignModules finds the modules of a user's tree, and returns them uncompressed, by the
// File that each is named with.
func foreignModules(ctx context.Context, tree string) ([]initramfs.ForeignModule, map[string][]byte, error) {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	var found []initramfs.ForeignModule
	images := map[string][]byte{}
	for _, top := range []string{"lib/modules", "usr/lib/modules"} {
		// Where lib is a link to usr/lib, that is where they are found.
		if st, err := root.Lstat(path.Dir(top)); err != nil || !st.IsDir() {
			continue
		}
		err := fs.WalkDir(root.FS(), top, func(name string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && name == top {
				return fs.SkipAll
			}
			if err != nil || !d.Type().IsRegular() || !kernel.IsModule("/"+name) {
				return err
			}
			if images[name], err = readPlain(ctx, root.FS(), name); err != nil {
				return err
			}
			m, err := initramfs.ReadModule(name, images[name])
			found = append(found, m)
			return err
		})
		if err != nil {
			return nil, nil, fmt.Errorf("find Lustre's modules: %w", err)
		}
	}
	return found, images, nil
}

// driversFirst puts LNet's network drivers (ksocklnd, ko2iblnd) before all else: ptlrpc
// starts LNet as it is loaded, which asks for the driver by name, and no modprobe answers.
func driversFirst(modules []initramfs.ForeignModule) []initramfs.ForeignModule {
	slices.SortStableFunc(modules, func(a, b initramfs.ForeignModule) int {
		return isDriver(b) - isDriver(a)
	})
	return modules
}

func isDriver(m initramfs.ForeignModule) int {
	if strings.HasSuffix(m.Name, "lnd") {
		return 1
	}
	return 0
}

// moduleFiles returns modules, whose images go by their File, and the list that says how they
// are loaded: by their paths in the guest.
func moduleFiles(release string, modules []initramfs.ForeignModule, images map[string][]byte) map[string]initramfs.Content {
	files := map[string]initramfs.Content{}
	var list strings.Builder
	for _, m := range modules {
		name := path.Join("/lib/modules", release, "extra", m.Name+".ko")
		files[name] = initramfs.Content{Data: images[m.File]}
		fmt.Fprintln(&list, name)
	}
	files["/etc/umounttest/lustre-modules"] = initramfs.Content{Data: []byte(list.String())}
	return files
}

// join adds the overlay to a machine, and the memory that it takes: the overlay is there packed
// and unpacked while the kernel starts, and servers want some of their own.
func (l *readyLustre) join(m *qemu.Machine) error {
	joined := filepath.Join(filepath.Dir(l.overlay), "initramfs-with-lustre.cpio")
	if err := initramfs.Join(joined, m.Initrd, l.overlay); err != nil {
		return err
	}
	m.Initrd = joined
	m.MemoryMiB = 1536 + 3*int(l.size>>20)
	m.Append = append(m.Append, "umounttest.mount="+l.mount)
	if l.link != nil {
		l.link.join(m)
	}
	return nil
}
