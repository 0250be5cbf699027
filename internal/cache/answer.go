// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"debug/elf"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"

	"ovzpatch/internal/plainfile"
)

// program is Go's build id of the running program, which changes with its code; "" where it has none.
var program = sync.OnceValue(func() string {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		return ""
	}
	defer f.Close()
	note := f.Section(".note.go.buildid")
	if note == nil {
		return ""
	}
	id, err := note.Data()
	if err != nil {
		return ""
	}
	return string(id)
})

const answerName = "answer.json"

// Answer returns what find finds, a value that JSON keeps whole. It depends on nothing but the values of
// the key and this program's code, and is kept by both where find says so. What was kept and is damaged
// is found anew.
func Answer[T any](c Cache, kind string, k *Key, find func() (answer T, keep bool, err error)) (T, error) {
	if c.Dir == "" || program() == "" {
		answer, _, err := find()
		return answer, err
	}
	key := k.Add("program", program()).String()
	var kept struct {
		Key    string `json:"key"`
		Answer *T     `json:"answer"`
	}
	if dir, ok := c.Get(kind, key); ok {
		data, err := plainfile.Read(filepath.Join(dir, answerName))
		if err == nil && json.Unmarshal(data, &kept) == nil && kept.Key == key && kept.Answer != nil {
			return *kept.Answer, nil
		}
		c.Reject(kind, key)
	}
	answer, keep, err := find()
	if err != nil || !keep {
		return answer, err
	}
	kept.Key, kept.Answer = key, &answer
	// The answer is right also where it cannot be kept.
	_, _ = c.Put(kind, key, func(dir string) error {
		data, err := json.Marshal(kept)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, answerName), data, 0o644)
	})
	return answer, nil
}
