// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// damages are what a disk, a crash or a person may leave of a file.
var damages = map[string]func(path string) error{
	"another byte": func(path string) error {
		data, err := os.ReadFile(path)
		if err == nil {
			data[len(data)/2] ^= 1
			err = os.WriteFile(path, data, 0o600)
		}
		return err
	},
	"cut off": func(path string) error { return os.Truncate(path, 1) },
	"empty":   func(path string) error { return os.Truncate(path, 0) },
	"gone":    os.Remove,
	"a pipe": func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return syscall.Mkfifo(path, 0o600)
	},
	"a device": func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.Symlink("/dev/zero", path)
	},
	"a socket": func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err == nil {
			l.SetUnlinkOnClose(false)
			err = l.Close()
		}
		return err
	},
	"a directory": func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.Mkdir(path, 0o700)
	},
}

// inTime fails where f waits, as opening a pipe does.
func inTime(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits")
	}
}

// A damaged result is told, not returned, and can be put anew.
func TestGetFindsDamage(t *testing.T) {
	fill := func(dir string) error {
		for _, name := range []string{"one", "two"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("text of "+name), 0o600); err != nil {
				return err
			}
		}
		return nil
	}
	for name, damage := range damages {
		for _, file := range []string{"one", indexName} {
			t.Run(name+" "+file, func(t *testing.T) {
				var said []string
				c := Cache{Dir: filepath.Join(t.TempDir(), "c"), Say: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
				dir, err := c.Put("results", "k", fill)
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := c.Get("results", "k"); !ok || said != nil {
					t.Fatalf("a sound one: %v, said %q", ok, said)
				}
				if err := damage(filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
				inTime(t, func() {
					if _, ok := c.Get("results", "k", "two"); ok != (file == "one") {
						t.Errorf("the other file: %v", ok)
					}
					if _, ok := c.Get("results", "k"); ok {
						t.Error("it is believed")
					}
				})
				// Without digests it is one of an earlier release.
				if earlier := name == "gone" && file == indexName; earlier != (said == nil) || said != nil && !strings.Contains(said[0], dir+" is damaged: it is made anew (") {
					t.Errorf("said %q", said)
				}
				if _, err := c.Put("results", "k", fill); err != nil {
					t.Fatal(err)
				}
				if _, ok := c.Get("results", "k"); !ok {
					t.Error("it was not put anew")
				}
			})
		}
	}
}

// What is in a result's place goes as well.
func TestGetFindsWhatIsNoDirectory(t *testing.T) {
	said := 0
	c := Cache{Dir: t.TempDir(), Say: func(string, ...any) { said++ }}
	if err := os.Mkdir(filepath.Join(c.Dir, "results"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(c.Dir, "results", "k"), 0o600); err != nil {
		t.Fatal(err)
	}
	inTime(t, func() {
		if _, ok := c.Get("results", "k"); ok || said != 1 {
			t.Errorf("%v, said %d times", ok, said)
		}
	})
	if _, err := c.Put("results", "k", func(string) error { return nil }); err != nil {
		t.Error(err)
	}
}

// While a file is written anew, the result is as it was or as it is to be.
func TestAdmit(t *testing.T) {
	c := Cache{Dir: t.TempDir(), Say: t.Errorf}
	dir, err := c.Put("results", "k", func(dir string) error { return os.WriteFile(filepath.Join(dir, "note"), []byte("old"), 0o600) })
	if err != nil {
		t.Fatal(err)
	}
	if err := Admit(dir, "note", SHA256([]byte("new"))); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"old", "new"} {
		if err := os.WriteFile(filepath.Join(dir, "note"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Get("results", "k"); !ok {
			t.Errorf("%s is damaged", text)
		}
	}
}

// An answer that reads well and was not given is found anew.
func TestAnswerFindsDamage(t *testing.T) {
	var said []string
	c := Cache{Dir: filepath.Join(t.TempDir(), "cache"), Say: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
	ask := func() (answer string) {
		t.Helper()
		inTime(t, func() {
			var err error
			if answer, err = Answer(c, "answers", NewKey("answers"), func() (string, bool, error) { return "right", true, nil }); err != nil {
				t.Error(err)
			}
		})
		return answer
	}
	ask()
	all, err := filepath.Glob(filepath.Join(c.Dir, "answers", "*", answerName))
	if err != nil || len(all) != 1 {
		t.Fatalf("%q, %v", all, err)
	}
	forged := fmt.Sprintf(`{"key":%q,"answer":"wrong"}`, filepath.Base(filepath.Dir(all[0])))
	if err := os.WriteFile(all[0], []byte(forged), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != "right" || len(said) != 1 {
		t.Errorf("%q, said %q", got, said)
	}
	if err := damages["a pipe"](all[0]); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != "right" || len(said) != 2 {
		t.Errorf("%q, said %q", got, said)
	}
}
