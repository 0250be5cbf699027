// SPDX-License-Identifier: Apache-2.0

package datastore_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"ovzpatch/internal/datastore"
)

func TestKeepCheck(t *testing.T) {
	for want, k := range map[string]datastore.Keep{
		"no rule given":     {NoLastGood: true},
		"--keep-last=-1":    {Last: -1, Daily: 3},
		"--keep-yearly=-2:": {Yearly: -2},
	} {
		if err := k.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", k, err, want)
		}
	}
	if err := (datastore.Keep{Weekly: 1}).Check(); err != nil {
		t.Error(err)
	}
}

// What is damaged, and what could not be verified, is told apart in all forms.
func TestVerifiedTold(t *testing.T) {
	ref, err := datastore.ParseRef("kernel/x/2026-05-02T08:11:33Z")
	if err != nil {
		t.Fatal(err)
	}
	good := datastore.VerifyResult{Snapshot: ref, Verification: datastore.Verification{OK: true}}
	damaged := datastore.VerifyResult{Snapshot: ref, Verification: datastore.Verification{Problems: []datastore.Problem{{File: "a.rpm", Problem: "it is missing"}}}}
	locked := datastore.VerifyResult{Snapshot: ref, Err: errors.New("it is in use")}
	if err := datastore.Damaged([]datastore.VerifyResult{good}); err != nil {
		t.Error(err)
	}
	all := []datastore.VerifyResult{good, damaged, locked}
	if err := datastore.Damaged(all); err == nil || !strings.Contains(err.Error(), "of 3 snapshots 1 are damaged and 1 could not be") {
		t.Error(err)
	}
	var text strings.Builder
	if err := datastore.WriteVerified(&text, all); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text.String(), "\n")
	for i, want := range []string{"good", "a.rpm", "it is in use"} {
		if len(lines) != 4 || !strings.Contains(lines[i], want) {
			t.Errorf("line %d lacks %q in\n%s", i, want, text.String())
		}
	}
	data, err := json.Marshal(all)
	if s := string(data); err != nil || strings.Count(s, ref.String()) != 3 || !strings.Contains(s, `"ok":true`) || strings.Count(s, `"error"`) != 1 || !strings.Contains(s, `"error":"it is in use"`) {
		t.Errorf("%s, %v", data, err)
	}
}
