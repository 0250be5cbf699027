// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"path/filepath"
	"strings"
	"testing"
)

// Packages that lie. None may leave anything behind.
func TestHostilePackages(t *testing.T) {
	file := func(name string) member { return member{name: name, mode: 0o100644, content: "x"} }
	source := func(m ...member) packet { return packet{format: 4, source: true, members: m} }
	binary := func(m ...member) packet { return packet{format: 4, members: m} }
	for name, c := range map[string]struct {
		p    packet
		want string
	}{
		"source with a directory part": {source(file("../x")), "bare name"},
		"source with dots":             {source(file("..")), "lead out"},
		"source with a link":           {source(member{name: "x", mode: 0o120777, content: "/etc"}), "symbolic link"},
		"source with a device":         {source(member{name: "x", mode: 0o060644}), "device"},
		"source with a directory":      {source(member{name: "x", mode: 0o040755}), "directory"},
		"source with a name twice":     {source(file("x"), file("x")), "twice"},
		"source with hard links": {source(member{name: "x", mode: 0o100644, content: "x", inode: 3, cpioOther: true},
			member{name: "y", mode: 0o100644, content: "x", inode: 3}), "hard link"},
		"climbing":          {binary(file("/usr/../../x")), "lead out"},
		"empty part":        {binary(file("/usr//x")), "lead out"},
		"device":            {binary(member{name: "/dev/sda", mode: 0o060644}), "only root can unpack"},
		"pipe":              {binary(member{name: "/pipe", mode: 0o010644}), "only root can unpack"},
		"under a link":      {binary(member{name: "/a", mode: 0o120777, content: "/tmp"}, file("/a/b")), "exists"},
		"under a file":      {binary(file("/a"), file("/a/b")), "file exists"},
		"other name inside": {binary(member{name: "/a", mode: 0o100644, content: "x", cpioName: "./b"}), "not in the package's list"},
		"climbing inside":   {binary(member{name: "/a", mode: 0o100644, content: "x", cpioName: "../b"}), "lead out"},
		"other kind inside": {binary(member{name: "/a", mode: 0o100644, content: "x", cpioMode: 0o120777}), "is a symbolic link here"},
		"longer inside":     {binary(member{name: "/a", mode: 0o100644, content: "x", cpioOther: true, cpioData: "xy"}), "2 bytes here"},
		"other link inside": {binary(member{name: "/a", mode: 0o120777, content: "one", cpioOther: true, cpioData: "two"}), "differs in content"},
		"digest wrong":      {binary(member{name: "/a", mode: 0o100644, content: "x", cpioOther: true, cpioData: "y"}), "is damaged"},
		"missing inside":    {binary(file("/a"), member{name: "/b", mode: 0o100644, content: "x", cpioAbsent: true}), "not in the archive"},
		"twice inside":      {binary(file("/a"), member{name: "/b", mode: 0o100644, content: "x", cpioName: "./a"}), "twice"},
		"more after":        {packet{format: 4, members: []member{file("/a")}, after: []byte("more")}, "goes on after"},
		"no digests":        {packet{format: 4, members: []member{file("/a")}, noDigests: true}, "no digest"},
		"unknown signature": {packet{format: 4, members: []member{file("/a")}, signature: []tag{{998, typeInt32, []uint32{1}}}}, "unknown tag 998"},
		"odd signature":     {packet{format: 4, members: []member{file("/a")}, signature: []tag{{sigRSA, typeBin, []byte("not one at all")}}}, "not an OpenPGP signature"},
		"aligned": {packet{format: 6, members: []member{file("/a")}, extra: []tag{
			{tagRequireName, typeStringArray, []string{"rpmlib(PayloadAlignment)"}},
		}}, "aligned"},
		"other archive": {packet{format: 4, members: []member{file("/a")}, extra: []tag{{TagPayloadFormat, typeString, "drpm"}}}, `"drpm"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			f, err := Open(t.Context(), c.p.write(t))
			if err == nil {
				defer f.Close()
				if err = f.Extract(t.Context(), dir, nil); err == nil {
					_, err = f.Verify(t.Context(), "")
				} else if exists(dir) {
					t.Errorf("left %q", snapshot(t, dir))
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	big := strings.Repeat("0", 2<<20)
	p := packet{format: 4, compress: true, members: []member{{name: "/a", mode: 0o100644, content: big}, {name: "/b", mode: 0o100644, content: big}}}
	name := p.write(t)
	for what, limits := range map[string]Limits{
		"files":     {Header: 1 << 20, Files: 1, Unpacked: 1 << 30, Ratio: 1000},
		"allowed":   {Header: 100, Files: 9, Unpacked: 1 << 30, Ratio: 1000},
		"more than": {Header: 1 << 20, Files: 9, Unpacked: 3 << 20, Ratio: 1000},
	} {
		if _, err := OpenWithin(t.Context(), name, limits); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%+v: got %v, want %q", limits, err, what)
		}
	}
	// A bomb: a header that announces terabytes in a payload of a few bytes.
	f := open(t, packet{format: 6, members: []member{{name: "/a", mode: 0o100644, content: "x"}}}.write(t))
	f.Files[0].Size = 60 << 30
	if _, err := f.Verify(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "1000 times as much") {
		t.Errorf("got %v", err)
	}
}
