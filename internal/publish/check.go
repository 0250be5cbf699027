// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/repoclient"
	"ovzpatch/internal/terminal"
)

// Checked is what clients do with one package.
type Checked struct {
	File    string                 `json:"file"`
	Package string                 `json:"package"`
	Kind    repoclient.Kind        `json:"kind"`
	Source  bool                   `json:"source,omitempty"`
	Clients []repoclient.Judgement `json:"clients"`
}

// CheckClients says what clients do with packages: of files, of all that lie below directories, and
// of what open returns the datastore for: groups and snapshots. Of a repository these are the packages
// that its metadata hold. Profiles choose clients; without any they are all asked.
func CheckClients(ctx context.Context, names, profiles []string, u job.Reporter, open func() (*datastore.Store, error)) ([]Checked, error) {
	c := &checker{clients: repoclient.Clients, seen: map[[2]uint64]bool{}, u: u}
	if len(profiles) > 0 {
		var clients []string
		for _, name := range profiles {
			p, err := ParseProfile(name)
			if err != nil {
				return nil, err
			}
			clients = append(clients, repoclient.Profiles[string(p)]...)
		}
		c.clients = repoclient.Of(clients)
	}
	if len(names) == 0 {
		return nil, job.BadRequest(errors.New("nothing to check: name packages, directories, or groups or snapshots of the datastore"))
	}
	var kept []string
	for _, name := range names {
		_, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			if !inStore(name) {
				return nil, job.BadRequest(err)
			}
			kept = append(kept, name)
			continue
		}
		if err == nil {
			err = c.files(ctx, name)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(kept) > 0 {
		s, err := open()
		if err != nil {
			return nil, err
		}
		if err := c.snapshots(ctx, s, kept); err != nil {
			return nil, err
		}
	}
	return c.list, nil
}

// inStore tells whether what is no file may be a group or a snapshot of the datastore.
func inStore(name string) bool {
	return strings.Contains(name, "/") && !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".rpm")
}

type checker struct {
	clients []repoclient.Client
	u       job.Reporter
	seen    map[[2]uint64]bool // files by device and inode: profiles share theirs
	list    []Checked
}

// files looks at a package, or at all below a directory: of those in a repository at what its metadata hold, which is what
// clients find. Beside that a generation has packages of earlier ones, for clients that read older metadata.
func (c *checker) files(ctx context.Context, name string) error {
	root, err := clientsDir(name)
	if err != nil {
		return err
	}
	held := &holdings{of: map[string]map[string]bool{}}
	found, beside := false, 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if plain, err := isPackage(path, d); err != nil || path != root && !plain {
			return err
		}
		if path != root {
			here, err := held.has(ctx, path)
			if err != nil {
				return err
			}
			if !here {
				beside++
				return nil
			}
		}
		found = true
		return c.file(ctx, path)
	})
	if err == nil {
		err = held.complete(root)
	}
	if beside > 0 {
		c.u.Say("%s: %d packages are not in the metadata of their repository, so no client that reads it now finds them: they are NOT checked", name, beside)
	}
	if err == nil && !found && beside > 0 {
		err = job.BadRequest(fmt.Errorf("%s: the metadata of the repository hold no package of this directory: name the repository, or one package", name))
	}
	if err == nil && !found {
		err = job.BadRequest(fmt.Errorf("%s: no package lies in this directory or below it: name one that holds files called *.rpm", name))
	}
	return err
}

// isPackage tells the packages in a directory. A link to one is one, as createrepo_c has it.
func isPackage(path string, d fs.DirEntry) (bool, error) {
	if !strings.HasSuffix(path, ".rpm") || d.Type()&fs.ModeSymlink == 0 {
		return strings.HasSuffix(path, ".rpm") && d.Type().IsRegular(), nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return false, fmt.Errorf("follow the link %s: %w", path, err)
	}
	return info.Mode().IsRegular(), nil
}

// clientsDir resolves links, as a repository's directory for clients is one. Of the directory that publish was told, clients read
// the current generation only.
func clientsDir(name string) (string, error) {
	root, err := filepath.EvalSymlinks(name)
	if err != nil {
		return "", err
	}
	if _, err := os.Lstat(filepath.Join(root, markFile)); err != nil {
		return filepath.Abs(root)
	}
	current, err := filepath.EvalSymlinks(filepath.Join(root, currentLink))
	if errors.Is(err, fs.ErrNotExist) {
		return "", job.BadRequest(fmt.Errorf("%s: nothing is published there yet", name))
	}
	if err != nil {
		return "", err
	}
	return filepath.Abs(current)
}

// holdings are the packages that repositories' metadata hold, by the repository's directory; nil for one that is none.
type holdings struct {
	of map[string]map[string]bool
}

// has tells whether a package's file is in the metadata of the repository that it lies in; one that lies in none is.
func (h *holdings) has(ctx context.Context, path string) (bool, error) {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		held, known := h.of[dir]
		if !known {
			if _, err := os.Lstat(filepath.Join(dir, "repodata/repomd.xml")); err == nil {
				prim, err := readPrimary(ctx, dir)
				if err != nil {
					return false, fmt.Errorf("read the metadata in %s: %w", dir, err)
				}
				held = map[string]bool{}
				for _, p := range prim.Packages {
					if p.Location.Base == "" { // else it lies elsewhere
						held[filepath.Join(dir, p.Location.Href)] = true
					}
				}
			}
			h.of[dir] = held
		}
		if held != nil {
			return held[path], nil
		}
		if dir == filepath.Dir(dir) {
			return true, nil
		}
	}
}

// complete is an error where the metadata of a repository name a file below root that is not there.
func (h *holdings) complete(root string) error {
	var missing []string
	for _, held := range h.of {
		for path := range held {
			if rel, err := filepath.Rel(root, path); err != nil || !filepath.IsLocal(rel) {
				continue
			}
			if _, err := os.Stat(path); err != nil {
				missing = append(missing, err.Error())
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return fmt.Errorf("the metadata of the repository name packages that clients do not get:\n  %s", few(missing))
}

func (c *checker) file(ctx context.Context, path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return &fs.PathError{Op: "look at", Path: path, Err: err}
	}
	id := [2]uint64{st.Dev, st.Ino}
	if c.seen[id] {
		return nil
	}
	c.seen[id] = true
	p, err := repoclient.Read(ctx, path)
	if err != nil {
		return err
	}
	is := Checked{File: path, Package: p.NEVRA, Kind: p.Kind, Source: p.Source}
	for _, client := range c.clients {
		is.Clients = append(is.Clients, client.Judge(p))
	}
	c.list = append(c.list, is)
	return nil
}

// snapshots looks at the packages of snapshots and groups of the datastore.
func (c *checker) snapshots(ctx context.Context, s *datastore.Store, names []string) error {
	refs, groups, err := (&selection{o: &Options{Names: names}, store: s}).groups()
	if err != nil {
		return err
	}
	for _, g := range groups {
		in, err := s.Snapshots(g)
		if err != nil {
			return err
		}
		if len(in) == 0 {
			return job.BadRequest(fmt.Errorf("group %s: it has no snapshot", g))
		}
		refs = append(refs, in...)
	}
	for _, ref := range refs {
		if err := c.snapshot(ctx, s, ref); err != nil {
			return fmt.Errorf("check %s: %w", ref, err)
		}
	}
	return nil
}

func (c *checker) snapshot(ctx context.Context, s *datastore.Store, ref datastore.Ref) error {
	r, err := s.OpenSnapshot(ctx, ref)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, f := range r.Manifest.Files {
		if !strings.HasSuffix(f.Name, ".rpm") {
			continue
		}
		if err := c.file(ctx, r.Path(f.Name)); err != nil {
			return err
		}
	}
	return nil
}

// words are the answers as a table has them.
var words = map[repoclient.Answer]string{
	repoclient.Installs: "installs", repoclient.Keeps: "keeps older ones", repoclient.Replaces: "REPLACES -devel",
	repoclient.Unsure: "unsure", repoclient.Refuses: "REFUSES", repoclient.Removes: "REMOVES KERNELS",
}

// WriteChecked writes a table of packages and clients, and why for what is not plainly good.
func WriteChecked(w io.Writer, list []Checked) error {
	t := terminal.NewTable(w)
	head := []any{"PACKAGE"}
	for _, j := range list[0].Clients {
		head = append(head, strings.ToUpper(j.Client))
	}
	t.Row(head...)
	for _, c := range list {
		row := []any{c.Package}
		for _, j := range c.Clients {
			row = append(row, words[j.Answer])
		}
		t.Row(row...)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var notes strings.Builder
	unsigned := 0
	for _, c := range list {
		for _, j := range c.Clients {
			for _, f := range j.Findings {
				if f.Answer != repoclient.Installs && f.Answer != repoclient.Keeps {
					fmt.Fprintf(&notes, "%s: %s: %s: %s\n", c.Package, j.Client, words[f.Answer], f.Says)
				}
			}
		}
		if slices.ContainsFunc(c.Clients, func(j repoclient.Judgement) bool { return j.Unsigned }) {
			unsigned++
		}
	}
	if unsigned > 0 {
		fmt.Fprintf(&notes, "%d of %d packages are not signed, or only where rpm 6 looks: clients refuse them where gpgcheck=1 is set. ovzpatch publish signs.\n", unsigned, len(list))
	}
	_, err := io.WriteString(w, terminal.Text(notes.String()))
	return err
}

// Harmed is an error where a client would remove a kernel, or, if clients were named, refuses a
// package that is to be installed.
func Harmed(list []Checked, named bool) error {
	removed, refused := map[string]bool{}, map[string]bool{}
	for _, c := range list {
		for _, j := range c.Clients {
			switch {
			case j.Answer == repoclient.Removes:
				removed[j.Client] = true
			case j.Answer == repoclient.Refuses && named && !c.Source:
				refused[j.Client] = true
			}
		}
	}
	var said []string
	for _, client := range repoclient.Clients {
		if removed[client.Name] {
			said = append(said, client.Name+" would remove kernels that are installed, also the one that runs")
		}
		if refused[client.Name] {
			said = append(said, client.Name+" refuses packages that are meant for it")
		}
	}
	if len(said) == 0 {
		return nil
	}
	return job.Misfit(errors.New(strings.Join(said, "; ")))
}

// warn says which clients of the repository would be harmed by packages that are new in it, or
// cannot read them.
func (s *stage) warn(ctx context.Context) error {
	var clients []string
	for _, p := range s.rec.Profiles {
		clients = append(clients, repoclient.Profiles[string(p)]...)
	}
	for _, n := range s.fresh {
		p := s.rec.Packages[n]
		is, err := repoclient.Read(ctx, filepath.Join(s.repo(s.rec.Profiles[0]), p.Path))
		if err != nil {
			return err
		}
		for _, client := range repoclient.Of(clients) {
			if p.Source {
				continue
			}
			j := client.Judge(is)
			if i := slices.IndexFunc(j.Findings, func(f repoclient.Finding) bool { return f.Answer == j.Answer }); i >= 0 && slices.Contains([]repoclient.Answer{repoclient.Removes, repoclient.Refuses, repoclient.Replaces}, j.Answer) {
				s.u.Say("WARNING: %s: %s: %s: %s", p.NEVRA(), client.Name, words[j.Answer], j.Findings[i].Says)
			}
		}
	}
	return nil
}
