// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What signing leaves is told from any other change, wherever that is.
func TestSignedFrom(t *testing.T) {
	base := packet{format: 4, members: []member{{name: "/a", mode: 0o100644, content: strings.Repeat("x", 2*comparedAtOnce)}}}
	unsigned := open(t, base.write(t))
	sum := bytes.Clone(unsigned.signature.Bytes(sigMD5))
	packet := append([]byte{0x88}, make([]byte, 20)...) // looks like a signature's
	with := func(tags ...tag) []byte {
		p := base
		p.signature = tags
		return p.bytes(t)
	}
	changed := func(b []byte, at int) []byte {
		b[(len(b)+at)%len(b)] ^= 1
		return b
	}
	for name, c := range map[string]struct {
		file    []byte
		payload bool
		fails   string
	}{
		"a signature":          {file: with(tag{sigRSA, typeBin, packet})},
		"one over the payload": {file: with(tag{sigRSA, typeBin, packet}, tag{sigPGP, typeBin, packet}), payload: true},
		"one and room":         {file: with(tag{sigDSA, typeBin, packet}, tag{sigReservedSpace, typeBin, make([]byte, 9)})},
		"nothing":              {file: with()},
		"a digest":             {file: bytes.Replace(with(), sum, bytes.Repeat([]byte{7}, len(sum)), 1), fails: "tag 1004 of the signature header"},
		"another entry":        {file: with(tag{sigVerityAlgo, typeInt32, []uint32{1}}), fails: "tag 277 of the signature header"},
		"the lead":             {file: changed(with(), 9), fails: "compare the leads"},
		"the end":              {file: changed(with(), -1), fails: "compare header and payload"},
		"the payload's first":  {file: changed(with(), int(unsigned.payloadStart)), fails: "bytes from 0 on"},
		"the payload's middle": {file: changed(with(), comparedAtOnce+int(unsigned.headerStart)+3), fails: "they differ in the"},
		"what follows":         {file: append(with(), 0), fails: "truncated or damaged"},
	} {
		path := filepath.Join(t.TempDir(), "signed.rpm")
		if err := os.WriteFile(path, c.file, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Open(t.Context(), path)
		if err == nil {
			defer f.Close()
			err = f.SignedFrom(t.Context(), unsigned)
		}
		if c.fails != "" || err != nil {
			if c.fails == "" || err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: got %v, want %q", name, err, c.fails)
			}
			continue
		}
		if payload, err := f.PayloadSigned(); err != nil || payload != c.payload {
			t.Errorf("%s: a signature over the payload: %t, %v", name, payload, err)
		}
	}
}
