// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// bzImage is an image laid out as the kernel's build does it, around a payload.
func bzImage(protocol uint16, payload []byte) []byte {
	image := make([]byte, 3*512)
	image[setupSectors] = 2
	copy(image[setupMagic:], "HdrS")
	binary.LittleEndian.PutUint16(image[setupProtocol:], protocol)
	code := bytes.Repeat([]byte{0x90, 0x1f}, 100)
	if protocol >= 0x208 {
		binary.LittleEndian.PutUint32(image[payloadOffset:], uint32(len(code)))
		binary.LittleEndian.PutUint32(image[payloadLength:], uint32(len(payload)))
	}
	return append(append(append(image, code...), payload...), code...)
}

func packed(t *testing.T, program string, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if program == "gzip" {
		w := gzip.NewWriter(&b)
		w.Write(text)
		w.Close()
		return b.Bytes()
	}
	args := map[string][]string{
		"xz": {"xz", "--check=crc32", "--x86", "--lzma2=dict=32MiB", "-c"}, "lzma": {"lzma", "-c"},
		"bzip2": {"bzip2", "-c"}, "zstd": {"zstd", "-q", "-c"},
		"lz4": {"lz4", "-l", "-c", "-q", "-9"}, "lzop": {"lzop", "-9", "-c"}, "cat": {"cat"},
	}[program]
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout = bytes.NewReader(text), &b
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	if program == "cat" {
		return append([]byte("\x7fELF"), text...)
	}
	return binary.LittleEndian.AppendUint32(b.Bytes(), uint32(len(text)))
}

// holds asks for one text.
func holds(t *testing.T, image []byte, text string) (bool, error) {
	t.Helper()
	found, err := ImageHolds(t.Context(), image, text)
	return err == nil && found[0], err
}

func TestImageHolds(t *testing.T) {
	const message = "Forced umount"
	// The message crosses the border of what is read at a time.
	with := []byte(strings.Repeat("x", 3*32<<10-5) + message + strings.Repeat("kernel ", 100_000))
	without := bytes.ReplaceAll(with, []byte("Forced"), []byte("Gentle"))
	for _, program := range []string{"gzip", "xz", "lzma", "bzip2", "zstd", "lz4", "lzop", "cat"} {
		for _, protocol := range []uint16{0x204, 0x20f} {
			if protocol < 0x208 && program != "gzip" {
				continue
			}
			for text, want := range map[*[]byte]bool{&with: true, &without: false} {
				got, err := holds(t, bzImage(protocol, packed(t, program, *text)), message)
				if protocol > 0x208 && program != "cat" {
					// As machines other than x86 have it.
					bare := packed(t, program, *text)
					if program != "gzip" {
						bare = bare[:len(bare)-4]
					}
					if got, err := holds(t, bare, message); err != nil || got != want {
						t.Errorf("%s, bare: %v %v, want %v", program, got, err, want)
					}
				}
				if err != nil || got != want {
					t.Errorf("%s, protocol %#x: %v %v, want %v", program, protocol, got, err, want)
				}
			}
		}
	}
}

// Several texts are found in one pass, in any order, at the end, and where one crosses a border and is
// longer than another; one that is not there does not keep the others from being found.
func TestImageHoldsSeveral(t *testing.T) {
	border := strings.Repeat("x", 32<<10-3)
	image := packed(t, "gzip", []byte("first"+border+"the longest of them"+border+border+"last"))
	texts := []string{"last", "nowhere", "the longest of them", "first"}
	got, err := ImageHolds(t.Context(), bzImage(0x20f, image), texts...)
	if want := []bool{true, false, true, true}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q: %v (%v), want %v", texts, got, err, want)
	}
}

// A kernel that was not unpacked to its end is not one without the message.
func TestImageCutOff(t *testing.T) {
	text := []byte(strings.Repeat("kernel ", 3<<20) + "Forced umount")
	whole := packed(t, "lz4", text)
	blocks := 4 + 4 + int(binary.LittleEndian.Uint32(whole[4:]))
	cut := append(bytes.Clone(whole[:blocks]), whole[len(whole)-4:]...)
	if got, err := ImageHolds(t.Context(), bzImage(0x20f, cut), "Forced umount"); !errors.Is(err, ErrImage) {
		t.Errorf("got %v, %v", got, err)
	}
	lzo := bzImage(0x20f, packed(t, "lzop", text))
	t.Setenv("PATH", t.TempDir())
	if got, err := ImageHolds(t.Context(), lzo, "Forced umount"); !errors.Is(err, ErrImage) || !strings.Contains(err.Error(), "lzop") {
		t.Errorf("without lzop: %v, %v", got, err)
	}
}

func TestImageCannotTell(t *testing.T) {
	whole := bzImage(0x20f, packed(t, "gzip", bytes.Repeat([]byte("kernel"), 1000)))
	damaged := bytes.Clone(whole)
	damaged[3*512+200+30] ^= 0xff
	outside := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(outside[payloadLength:], 1<<31)
	for name, image := range map[string][]byte{
		"empty": nil, "short": whole[:600], "damaged": damaged, "outside": outside,
		"no bzImage": bytes.Repeat([]byte{1}, 4096), "other compression": bzImage(0x20f, []byte("\x00!L\x18 new")),
		"old without gzip": bzImage(0x204, nil),
	} {
		if got, err := ImageHolds(t.Context(), image, "Forced"); err == nil {
			t.Errorf("%s: %v", name, got)
		} else if name == "no bzImage" && !errors.Is(err, ErrImage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
