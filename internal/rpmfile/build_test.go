// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// sampleSpec is a package with everything kernel packages have: modules in many
// directories, links of both kinds, ghosts, scripts, empty files and odd modes.
const sampleSpec = `
%global debug_package %{nil}
%define __os_install_post %{nil}
Name: kernel-sample
Version: 5.14.0
Release: 1.vz9
Epoch: 2
Summary: A sample
License: GPLv2
Source0: data.txt
Patch1: one.patch
BuildRequires: nothing-here >= 2
Requires: grubby >= 8.28
Provides: kernel-uname-r = 5.14.0
%description
A sample.
%prep
%build
%install
mkdir -p %{buildroot}/lib/modules/5/kernel/fs %{buildroot}/boot %{buildroot}/usr/src/kernels/5/scripts
seq 100000 > %{buildroot}/boot/vmlinuz
chmod 600 %{buildroot}/boot/vmlinuz
for i in $(seq 40); do seq $i > %{buildroot}/lib/modules/5/kernel/fs/m$i.ko; done
ln -s /usr/src/kernels/5 %{buildroot}/lib/modules/5/build
ln -s build %{buildroot}/lib/modules/5/source
ln -s ../../../../../etc/passwd %{buildroot}/lib/modules/5/out
echo hard > %{buildroot}/boot/a
ln %{buildroot}/boot/a %{buildroot}/boot/b
ln %{buildroot}/boot/a %{buildroot}/usr/src/kernels/5/c
touch %{buildroot}/usr/src/kernels/5/empty
%post
echo hello
%preun -p /bin/bash
echo bye
%files
/boot/a
/boot/b
/boot/vmlinuz
%dir /lib/modules/5
/lib/modules/5/*
/usr/src/kernels/5
%ghost /boot/initramfs
`

// rpmbuild builds the sample with each payload and returns the paths of a source and a
// binary package.
func rpmbuild(t testing.TB, payload string, defines ...string) (source, binary string) {
	t.Helper()
	top := t.TempDir()
	for name, text := range map[string]string{"sample.spec": sampleSpec, "data.txt": "data\n", "one.patch": "patch\n"} {
		if err := os.WriteFile(filepath.Join(top, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{
		"-ba", "--nodeps", "--define", "_topdir " + top, "--define", "_sourcedir " + top,
		"--define", "_dbpath " + top, "--define", "_source_payload " + payload, "--define", "_binary_payload " + payload,
	}
	for _, d := range defines {
		args = append(args, "--define", d)
	}
	cmd := exec.Command("rpmbuild", append(args, filepath.Join(top, "sample.spec"))...)
	cmd.Env = append(os.Environ(), "HOME="+top)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rpmbuild: %v\n%s", err, out)
	}
	one := func(pattern string) string {
		list, _ := filepath.Glob(filepath.Join(top, pattern))
		if len(list) != 1 {
			t.Fatalf("%d packages match %s", len(list), pattern)
		}
		return list[0]
	}
	return one("SRPMS/*.rpm"), one("RPMS/*/*.rpm")
}

// tag is one entry of a header that a test writes.
type tag struct {
	tag  Tag
	kind uint32
	data any // string, []string, []byte, []uint16, []uint32, []uint64
}

// encode writes a header as rpm does, with a region when regionTag is not 0.
func encode(tags []tag, regionTag Tag) []byte {
	var index, data bytes.Buffer
	put := func(t Tag, kind uint32, offset, count int) {
		binary.Write(&index, binary.BigEndian, []uint32{uint32(t), kind, uint32(offset), uint32(count)})
	}
	n := len(tags)
	if regionTag != 0 {
		n++
	}
	for _, x := range tags {
		if size, ok := typeSize[x.kind]; ok {
			for data.Len()%size != 0 {
				data.WriteByte(0)
			}
		}
		at, count := data.Len(), 1
		switch v := x.data.(type) {
		case string:
			data.WriteString(v + "\x00")
		case []string:
			count = len(v)
			for _, s := range v {
				data.WriteString(s + "\x00")
			}
		case []byte:
			count = len(v)
			data.Write(v)
		default:
			binary.Write(&data, binary.BigEndian, v)
			count = (data.Len() - at) / typeSize[x.kind]
		}
		put(x.tag, x.kind, at, count)
	}
	if regionTag != 0 {
		at := data.Len()
		binary.Write(&data, binary.BigEndian, []int32{int32(regionTag), typeBin, int32(-n * entryLength), entryLength})
		rest := bytes.Clone(index.Bytes())
		index.Reset()
		put(regionTag, typeBin, at, entryLength)
		index.Write(rest)
	}
	var b bytes.Buffer
	b.Write(headerMagic)
	binary.Write(&b, binary.BigEndian, []uint32{uint32(n), uint32(data.Len())})
	b.Write(index.Bytes())
	b.Write(data.Bytes())
	return b.Bytes()
}

// member is a file of a package that a test writes. What cpio says about it may differ
// from what the header says.
type member struct {
	name    string
	mode    uint16
	content string
	inode   uint32
	ghost   bool

	cpioName   string // "" for the header's
	cpioMode   uint32 // 0 for the header's
	cpioData   string // in place of content, when cpioOther is set
	cpioOther  bool
	cpioAbsent bool
}

// packet writes RPM files of any format.
type packet struct {
	format    int // 3, 4 or 6
	source    bool
	stripped  bool
	compress  bool
	members   []member
	extra     []tag // more tags of the main header
	signature []tag // more tags of the signature header
	linktos   []string
	noDigests bool
	after     []byte // appended to the archive
}

func sum(h crypto.Hash, parts ...[]byte) string {
	x := h.New()
	for _, p := range parts {
		x.Write(p)
	}
	return hex.EncodeToString(x.Sum(nil))
}

func (p packet) archive() []byte {
	var b bytes.Buffer
	pad := func() {
		for b.Len()%4 != 0 {
			b.WriteByte(0)
		}
	}
	newc := func(name string, mode uint32, size int, inode uint32) {
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name)+1, 0)
		b.WriteString(name + "\x00")
		pad()
	}
	for i, m := range p.members {
		if m.ghost || m.cpioAbsent {
			continue
		}
		data := m.content
		if m.cpioOther {
			data = m.cpioData
		}
		if p.stripped {
			fmt.Fprintf(&b, "07070X%08x", i)
			pad()
		} else {
			name, mode := m.cpioName, m.cpioMode
			if name == "" {
				if name = m.name; !p.source {
					name = "." + name
				}
			}
			if mode == 0 {
				mode = uint32(m.mode)
			}
			newc(name, mode, len(data), m.inode)
		}
		b.WriteString(data)
		pad()
	}
	newc("TRAILER!!!", 0, 0, 0)
	b.Write(p.after)
	return b.Bytes()
}

func (p packet) bytes(t testing.TB) []byte { return p.bytesAround(t, p.archive()) }

// bytesAround writes the package around another archive than that of its files.
func (p packet) bytesAround(t testing.TB, archive []byte) []byte {
	t.Helper()
	payload := archive
	if p.compress {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		payload = w.EncodeAll(archive, nil)
	}
	algorithm := crypto.SHA256
	if p.format == 3 {
		algorithm = crypto.MD5
	}
	var names, digests, links, bases, dirs []string
	var modes, rdevs []uint16
	var sizes, flags, times, inodes, devices, dirIndexes []uint32
	var longSizes []uint64
	for i, m := range p.members {
		names = append(names, m.name)
		dir, base := filepath.Split(m.name)
		dirs, bases, dirIndexes = append(dirs, dir), append(bases, base), append(dirIndexes, uint32(i))
		digest, link, flag := "", "", uint32(0)
		switch m.mode & 0o170000 {
		case 0o100000:
			digest = sum(algorithm, []byte(m.content))
		case 0o120000:
			link = m.content
		}
		if m.ghost {
			flag, digest = uint32(FileGhost), ""
		}
		inode := m.inode
		if inode == 0 {
			inode = uint32(1000 + i)
		}
		digests, links, modes, rdevs = append(digests, digest), append(links, link), append(modes, m.mode), append(rdevs, 0)
		sizes, longSizes = append(sizes, uint32(len(m.content))), append(longSizes, uint64(len(m.content)))
		flags, times = append(flags, flag), append(times, 1_000_000_000)
		inodes, devices = append(inodes, inode), append(devices, 1)
	}
	if p.linktos != nil {
		links = p.linktos
	}
	header := []tag{
		{TagName, typeString, "sample"},
		{TagVersion, typeString, "1"},
		{TagRelease, typeString, "2"},
		{TagOS, typeString, "linux"},
		{TagArch, typeString, "i386"},
	}
	if p.source {
		header = append(header, tag{TagSourcePackage, typeInt32, []uint32{1}})
	} else {
		header = append(header, tag{TagSourceRPM, typeString, "sample-1-2.src.rpm"})
	}
	if len(p.members) > 0 {
		header = append(header, tag{tagFileModes, typeInt16, modes}, tag{tagFileRdevs, typeInt16, rdevs},
			tag{tagFileMtimes, typeInt32, times}, tag{tagFileDigests, typeStringArray, digests},
			tag{tagFileLinktos, typeStringArray, links}, tag{tagFileFlags, typeInt32, flags},
			tag{tagFileDevices, typeInt32, devices}, tag{tagFileInodes, typeInt32, inodes})
		if p.format == 6 {
			header = append(header, tag{tagLongFileSizes, typeInt64, longSizes})
		} else {
			header = append(header, tag{tagFileSizes, typeInt32, sizes})
		}
		if p.format == 3 {
			header = append(header, tag{tagOldFilenames, typeStringArray, names})
		} else {
			header = append(header, tag{tagBaseNames, typeStringArray, bases}, tag{tagDirNames, typeStringArray, dirs},
				tag{tagDirIndexes, typeInt32, dirIndexes}, tag{tagFileDigestAlgo, typeInt32, []uint32{8}})
		}
	}
	region := tagHeaderImmutable
	signatureRegion := tagHeaderSignatures
	switch p.format {
	case 3:
		region, signatureRegion = 0, 0
	case 4:
		header = append(header, tag{tagPayloadSHA256, typeStringArray, []string{sum(crypto.SHA256, payload)}},
			tag{tagPayloadDigestAlgo, typeInt32, []uint32{8}})
	case 6:
		header = append(header, tag{TagRPMFormat, typeInt32, []uint32{6}})
		for _, d := range []struct {
			raw, alt Tag
			hash     crypto.Hash
			array    bool
		}{
			{tagPayloadSHA256, tagPayloadSHA256Alt, crypto.SHA256, true},
			{tagPayloadSHA512, tagPayloadSHA512Alt, crypto.SHA512, false},
			{tagPayloadSHA3_256, tagPayloadSHA3_256Alt, crypto.SHA3_256, false},
		} {
			header = append(header, tag{d.raw, typeString, sum(d.hash, payload)}, tag{d.alt, typeString, sum(d.hash, archive)})
		}
	}
	h := encode(append(header, p.extra...), region)
	var s []tag
	switch p.format {
	case 3, 4:
		md5, _ := hex.DecodeString(sum(crypto.MD5, h, payload))
		s = append(s, tag{sigSize, typeInt32, []uint32{uint32(len(h) + len(payload))}}, tag{sigMD5, typeBin, md5},
			tag{sigPayloadSize, typeInt32, []uint32{uint32(len(archive))}})
		if p.format == 4 {
			s = append(s, tag{sigSHA1, typeString, sum(crypto.SHA1, h)}, tag{sigSHA256, typeString, sum(crypto.SHA256, h)})
		}
	case 6:
		s = append(s, tag{sigSHA256, typeString, sum(crypto.SHA256, h)}, tag{sigSHA3_256, typeString, sum(crypto.SHA3_256, h)},
			tag{sigReserved, typeBin, make([]byte, 32)})
	}
	if p.noDigests {
		s = []tag{{sigSize, typeInt32, []uint32{uint32(len(h) + len(payload))}}}
	}
	sig := encode(append(s, p.signature...), signatureRegion)
	var b bytes.Buffer
	lead := make([]byte, leadLength)
	copy(lead, []byte{0xed, 0xab, 0xee, 0xdb, 3, 0})
	if p.format == 6 {
		lead[4] = 4
	} else {
		lead[9], lead[77] = 1, 1
	}
	if p.source {
		lead[7] = 1
	}
	lead[79] = 5
	copy(lead[10:], "sample-1-2")
	b.Write(lead)
	b.Write(sig)
	b.Write(make([]byte, -len(sig)&7))
	b.Write(h)
	b.Write(payload)
	return b.Bytes()
}

// write writes the package into a file.
func (p packet) write(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "sample.rpm")
	if err := os.WriteFile(name, p.bytes(t), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}
