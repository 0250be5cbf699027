// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/job"
)

func TestRead(t *testing.T) {
	environment := map[string]string{"OVZPATCH_JOBS": "8", "OVZPATCH_STORE": "builds"}
	for _, tt := range []struct {
		file string // its text; "" is none
		want string // or a part of the error
	}{
		{"", "jobs=[8] $OVZPATCH_JOBS"},
		{"jobs = 4\nnice = 0\n", "jobs=[8] $OVZPATCH_JOBS, nice=[0] FILE"},
		{"container = [\"ve\", \"userns\"]\ncache-dir = \"/x\"\n", "cache-dir=[/x] FILE, container=[ve userns] FILE, jobs=[8] $OVZPATCH_JOBS"},
		{"job = 4\n", `read settings FILE:1: there is no setting "job"; there are boot-timeout, `},
		{"root = true\n", "read settings FILE:1: root: it is of type true or false, and must be a text, a whole number or a list of texts"},
		{"report = [1]\n", "read settings FILE:1: report: number 1 of the list is not a text"},
		{"jobs = \n", "read settings FILE:1: jobs: expected value "},
	} {
		file := filepath.Join(t.TempDir(), "ovzpatch.toml")
		if tt.file != "" {
			if err := os.WriteFile(file, []byte(tt.file), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		list, err := Read(func(name string) string { return environment[name] }, file)
		var got []string
		for _, s := range list {
			got = append(got, fmt.Sprintf("%s=%s %s", s.Name, s.Values, s.From))
		}
		text := strings.Join(got, ", ")
		if err != nil {
			text = err.Error()
		}
		text = strings.ReplaceAll(text, file, "FILE")
		if bad := strings.HasPrefix(tt.want, "read"); bad != errors.Is(err, job.ErrRequest) || !bad && text != tt.want || !strings.HasPrefix(text, tt.want) {
			t.Errorf("%q: %q, want %q", tt.file, text, tt.want)
		}
	}
}

func TestStrangers(t *testing.T) {
	got := Strangers([]string{"PATH=/bin", "OVZPATCH_NICEST=1", "OVZPATCH_JOB=4", "OVZPATCH_JOBS=4", "OVZPATCH_STORE=x", "OVZPATCH_TEST_KERNEL=x", "OVZPATCH_", "ovzpatch_jobs=1"})
	if strings.Join(got, " ") != "OVZPATCH_ OVZPATCH_JOB OVZPATCH_NICEST" {
		t.Error(got)
	}
}

func TestComplete(t *testing.T) {
	list := []Setting{{Name: "jobs", Values: []string{"4"}, From: "$OVZPATCH_JOBS"}}
	all := Complete(list, func(name string) string {
		return map[string]string{"jobs": "0", "nice": "10", "report": "[]"}[name]
	})
	if len(all) != len(Names) {
		t.Fatalf("%d settings of %d", len(all), len(Names))
	}
	for _, s := range all {
		want := map[string]string{"jobs": "4 $OVZPATCH_JOBS", "nice": "10 " + BuiltIn}[s.Name]
		if want == "" {
			want = " " + BuiltIn
		}
		if got := strings.Join(s.Values, ",") + " " + s.From; got != want || s.Values == nil {
			t.Errorf("%s: %q, want %q", s.Name, got, want)
		}
	}
}
