// SPDX-License-Identifier: Apache-2.0

package compress_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/compress"
)

// tools write each format, from standard input to standard output.
var tools = map[compress.Format][]string{
	compress.Gzip:  {"gzip", "-c"},
	compress.Bzip2: {"bzip2", "-c"},
	compress.XZ:    {"xz", "-c", "-0"},
	compress.LZMA:  {"xz", "-c", "-0", "--format=lzma"},
	compress.Zstd:  {"zstd", "-q", "-c"},
	compress.None:  {"cat"},
}

func pack(t testing.TB, format compress.Format, text []byte) []byte {
	t.Helper()
	cmd := exec.Command(tools[format][0], tools[format][1:]...)
	cmd.Stdin = bytes.NewReader(text)
	packed, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func sample(lines int) []byte {
	var b bytes.Buffer
	for i := range lines {
		fmt.Fprintf(&b, "line %d of a text that repeats itself\n", i)
	}
	return b.Bytes()
}

// withoutPrograms makes the package fall back to the decoders in Go.
func withoutPrograms(t *testing.T) { t.Setenv("PATH", t.TempDir()) }

func TestAllFormats(t *testing.T) {
	text := sample(20_000)
	for format := range tools {
		packed := pack(t, format, text)
		// Two streams one after the other are one, as the programs have it; lzma's end
		// is not marked in a way that allows it.
		twice := append(bytes.Clone(packed), packed...)
		for _, native := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s native %v", format, native), func(t *testing.T) {
				if native {
					withoutPrograms(t)
				}
				check := func(packed, want []byte) {
					t.Helper()
					r, got, err := compress.NewReader(t.Context(), bytes.NewReader(packed))
					if err != nil || got != format {
						t.Fatalf("got format %s, %v", got, err)
					}
					defer r.Close()
					if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, want) {
						t.Errorf("got %d bytes of %d, %v", len(b), len(want), err)
					}
				}
				check(packed, text)
				if format != compress.LZMA {
					check(twice, append(bytes.Clone(text), text...))
				}
			})
		}
	}
}

// A stream that ends too early must never look like a whole one.
func TestTruncated(t *testing.T) {
	for format := range tools {
		if format == compress.None {
			continue
		}
		packed := pack(t, format, sample(5_000))
		for _, native := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s native %v", format, native), func(t *testing.T) {
				if native {
					withoutPrograms(t)
				}
				for _, n := range []int{7, len(packed) / 2, len(packed) - 1} {
					r, _, err := compress.NewReader(t.Context(), bytes.NewReader(packed[:n]))
					if err == nil {
						_, err = io.ReadAll(r)
						r.Close()
					}
					if err == nil || !strings.Contains(err.Error(), string(format)) {
						t.Errorf("%d of %d bytes: got %v", n, len(packed), err)
					}
				}
			})
		}
	}
}

// Closing early ends the child at once and without an error, and leaves no zombie.
func TestCloseEarly(t *testing.T) {
	for format := range tools {
		packed := pack(t, format, sample(500_000))
		r, _, err := compress.NewReader(t.Context(), bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		start := time.Now()
		if err := r.Close(); err != nil {
			t.Errorf("%s: close: %v", format, err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: close took %v", format, d)
		}
	}
	if left := children(t); left != "" {
		t.Errorf("children are left: %s", left)
	}
}

func TestCancel(t *testing.T) {
	packed := pack(t, compress.XZ, sample(500_000))
	ctx, cancel := context.WithCancel(t.Context())
	r, _, err := compress.NewReader(ctx, bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// children lists this process's children.
func children(t *testing.T) string {
	t.Helper()
	var list strings.Builder
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		if err == nil {
			list.Write(b)
		}
	}
	return list.String()
}

func TestLimit(t *testing.T) {
	for limit, want := range map[int64]bool{9: false, 10: true, 11: true} {
		b, err := io.ReadAll(compress.Limit(strings.NewReader("0123456789"), limit))
		var le *compress.LimitError
		if want && (err != nil || len(b) != 10) || !want && (!errors.As(err, &le) || le.Limit != limit || int64(len(b)) != limit) {
			t.Errorf("limit %d: %q, %v", limit, b, err)
		}
	}
}

func TestDetect(t *testing.T) {
	for head, want := range map[string]compress.Format{
		"": compress.None, "07070": compress.None, "BZh9": compress.Bzip2, "\x1f\x8b\x08": compress.Gzip,
		"\x5d\x00\x00\x80": compress.LZMA, "\xfd7zXZ\x00": compress.XZ, "\x28\xb5\x2f\xfd": compress.Zstd,
	} {
		if got := compress.Detect([]byte(head)); got != want {
			t.Errorf("%q is %s, want %s", head, got, want)
		}
	}
}
