// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
	"ovzpatch/internal/scratch"
)

// maxMetadata is how many bytes unpacked metadata may have.
const maxMetadata = 4 << 30

// metadata makes and signs the metadata of all profiles' repositories, and makes sure that it says
// of each package what is there. The profiles have the same files: createrepo_c reads them for the first one, and takes
// the checksums of that from there for the others.
func (s *stage) metadata(ctx context.Context) (list []*primary, err error) {
	defer s.u.Done()
	s.u.Live("making the metadata")
	sums, remove, err := scratch.New("", "sums")
	if err != nil {
		return nil, err
	}
	defer leave(sums, remove, &err)
	list = make([]*primary, len(s.rec.Profiles))
	one := func(ctx context.Context, i int) (err error) {
		list[i], err = s.createrepo(ctx, s.rec.Profiles[i], sums)
		return err
	}
	if err := one(ctx, 0); err != nil {
		return nil, err
	}
	if err := parallel(ctx, len(list)-1, func(ctx context.Context, i int) error { return one(ctx, i+1) }); err != nil {
		return nil, err
	}
	for i, p := range s.rec.Profiles {
		if err := s.compare(p, list[i]); err != nil {
			return nil, err
		}
		if p == RHEL5 {
			err := s.oldChecksums(ctx)
			if err != nil {
				return nil, fmt.Errorf("make metadata for %s with SHA-1: %w", p, err)
			}
		}
		repomd := filepath.Join(s.repo(p), "repodata/repomd.xml")
		if err := s.key.detach(ctx, repomd); err != nil {
			return nil, fmt.Errorf("sign metadata for %s: %w", p, err)
		}
		if err := os.WriteFile(repomd+".key", s.key.public, 0o644); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// createrepo makes the metadata of one profile's repository, with SHA-256. In sums createrepo_c keeps the checksums.
func (s *stage) createrepo(ctx context.Context, p Profile, sums string) (prim *primary, err error) {
	repo := s.repo(p)
	groups, err := group(s.rec)
	if err != nil {
		return nil, err
	}
	dir, remove, err := scratch.New("", "comps")
	if err != nil {
		return nil, err
	}
	defer leave(dir, remove, &err)
	comps := filepath.Join(dir, "comps.xml")
	if err := os.WriteFile(comps, groups, 0o644); err != nil {
		return nil, err
	}
	// Everything is said, as the defaults differ between releases; and nothing is taken over from
	// earlier runs, as a signature changes neither size nor time of a package.
	args := []string{
		"createrepo_c", "--quiet", "--no-database", "--error-exit-val",
		"--checksum", "sha256", "--cachedir", sums, "--general-compress-type", p.compression(),
		"--unique-md-filenames", "--groupfile", comps,
		"--revision", strconv.FormatInt(s.rec.Revision, 10), "--set-timestamp-to-revision",
	}
	if p.old() {
		args = append(args, "--compatibility") // yum of RHEL 7 reads no packed list of groups, which is what 1.0 and later make
	}
	err = command.Run(ctx, command.Cmd{Args: append(args, repo), Env: nobodys(dir)})
	if err != nil {
		return nil, fmt.Errorf("make metadata for %s: %w", p, err)
	}
	if err := s.addNotices(ctx, p); err != nil {
		return nil, fmt.Errorf("add security notices for %s: %w", p, err)
	}
	if prim, err = readPrimary(ctx, repo); err != nil {
		return nil, fmt.Errorf("read metadata for %s: %w", p, err)
	}
	return prim, nil
}

// compare holds what createrepo_c read against what was published before: a file that went bad, or
// that somebody changed, has another checksum.
func (s *stage) compare(profile Profile, prim *primary) error {
	const kind = "sha256"
	found := map[string]string{}
	for _, p := range prim.Packages {
		if p.Checksum.Type != kind {
			return fmt.Errorf("metadata for %s: the checksum of %s is of type %q, and %s was asked for", profile, p.Location.Href, p.Checksum.Type, kind)
		}
		found[p.Location.Href] = p.Checksum.Value
	}
	if len(found) != len(s.rec.Packages) {
		return fmt.Errorf("metadata for %s: it has %d packages, and there are %d", profile, len(found), len(s.rec.Packages))
	}
	for i := range s.rec.Packages {
		p := &s.rec.Packages[i]
		is := found[p.Path]
		if is == "" {
			return fmt.Errorf("metadata for %s: it lacks %s", profile, p.Path)
		}
		if was := p.Checksums[kind]; was != "" && was != is {
			return fmt.Errorf("%s is not what was published before (%s %s, and it was %s): the disk damaged it, or somebody changed it; publish into a new directory", p.Path, kind, is, was)
		}
		if p.Checksums[kind] == "" {
			// What else is known of it was compared with nothing.
			p.Checksums = map[string]string{kind: is}
		}
	}
	return nil
}

// oldChecksums gives the metadata for RHEL 5 the checksums that its clients know. Those of what an earlier generation
// signed are known, and createrepo_c has found that it is the same.
func (s *stage) oldChecksums(ctx context.Context) error {
	known := make([]string, len(s.rec.Packages))
	err := parallel(ctx, len(known), func(ctx context.Context, i int) (err error) {
		p := &s.rec.Packages[i]
		kind := RHEL5.checksum()
		if p.Checksums[kind] == "" {
			p.Checksums[kind], err = fileSHA1(ctx, filepath.Join(s.repo(RHEL5), p.Path))
		}
		known[i] = p.Checksums[kind]
		return err
	})
	if err != nil {
		return err
	}
	ids := map[string]string{}
	for i, p := range s.rec.Packages {
		ids[p.Checksums["sha256"]] = known[i]
	}
	return toSHA1(ctx, s.repo(RHEL5), ids)
}

// carry links into the new generation what the kept ones before it had of their own: a client that
// holds their repomd.xml finds all that it names. What is lost there is left out, and told.
func (s *stage) carry(ctx context.Context, keep int) error {
	lost := map[int][]string{}
	for i, r := range s.t.records {
		if i+1 >= keep {
			break
		}
		for _, p := range r.Profiles {
			if !slices.Contains(s.rec.Profiles, p) {
				continue
			}
			from := filepath.Join(s.t.generation(r.Number), string(p))
			files := map[string]map[string]string{}
			for _, pkg := range r.Packages {
				files[pkg.Path] = pkg.Checksums
			}
			md, err := readRepomd(from)
			if err != nil {
				lost[r.Number] = append(lost[r.Number], string(p)+"/repodata, as its repomd.xml cannot be read")
				md = &repomd{}
			}
			for _, d := range md.Data {
				files[d.Location.Href] = d.Checksum.sums()
			}
			for _, path := range slices.Sorted(maps.Keys(files)) {
				to := filepath.Join(s.repo(p), path)
				if _, err := os.Lstat(to); err == nil {
					continue
				}
				if s.t.whole(ctx, filepath.Join(from, path), files[path]) != nil {
					lost[r.Number] = append(lost[r.Number], filepath.Join(string(p), path))
					continue
				}
				if err := link(filepath.Join(from, path), to); err != nil {
					return fmt.Errorf("keep what generation %d had: %w", r.Number, err)
				}
			}
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, number := range slices.Sorted(maps.Keys(lost)) {
		// An older generation may have had it still.
		gone := slices.DeleteFunc(lost[number], func(path string) bool {
			_, err := os.Lstat(filepath.Join(s.dir, path))
			return err == nil
		})
		if len(gone) > 0 {
			s.u.Say("WARNING: clients that read the metadata of generation %d before will not find what is missing or damaged there, until they read the new metadata:\n  %s", number, few(gone))
		}
	}
	return nil
}

// openUp lets web servers read what was made, whatever the user's umask is.
func openUp(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if d.IsDir() {
			mode = 0o755
		}
		if info.Mode().Perm() == mode {
			return nil
		}
		return os.Chmod(path, mode)
	})
}

// repoFile writes what yum, dnf and zypper read about a repository.
//
// repomd.xml and its signature are two requests, and the switch may come between them. So clients
// that want the signature come through a list of mirrors, of which the first is the generation
// itself. The second is for those that hold the list for so long that the generation is gone. yum
// keeps such a list for a day; it gets no list, and verifies the packages' signatures.
func (s *stage) repoFile(p Profile) error {
	base := strings.TrimRight(s.rec.URL, "/")
	name := title
	if s.rec.Unproved {
		name += " (UNPROVED ones among them)"
	}
	where := fmt.Sprintf("baseurl=%s/%s/%s", base, currentLink, p)
	if p == Modern {
		where = fmt.Sprintf("mirrorlist=%s/%s/%s\nrepo_gpgcheck=1", base, currentLink, mirrorList(p))
		list := fmt.Sprintf("%s/%s/%s/%s/\n%[1]s/%[5]s/%[4]s/\n", base, generationsDir, generationName(s.rec.Number), p, currentLink)
		if err := os.WriteFile(filepath.Join(s.dir, mirrorList(p)), []byte(list), 0o644); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("[ovzpatch-%s]\nname=%s\n%s\nenabled=1\ngpgcheck=1\ngpgkey=%s/%s/%s\n", p, name, where, base, currentLink, keyFile)
	return os.WriteFile(filepath.Join(s.dir, repoFileName(p)), []byte(text), 0o644)
}

func mirrorList(p Profile) string { return "ovzpatch-" + string(p) + ".mirrorlist" }

// checkURL refuses what is no address that clients know, or would be another line or two addresses in a .repo file, where
// commas and spaces stand between addresses.
func checkURL(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	known := err == nil && slices.Contains([]string{"http", "https", "ftp", "file"}, u.Scheme) && u.Opaque == "" && (u.Host != "" || u.Scheme == "file") && u.User == nil
	if !known || strings.ContainsAny(address, " \t\r\n,?#") {
		return job.BadRequest(fmt.Errorf("--url=%q: it must be the address of the directory, such as https://example.org/kernels", address))
	}
	return nil
}

// keyFile is the public key, for people and for gpgkey=.
const keyFile = "RPM-GPG-KEY-ovzpatch"
