// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ovzpatch/internal/datastore"
)

var publishes = flag.Int("publishes", 4, "how often is published while clients read")

// dnfClient is a dnf with nothing of this machine's, that reads what a .repo file says.
type dnfClient struct{ dir string }

func newClient(t testing.TB, repoFile string) *dnfClient {
	t.Helper()
	c := &dnfClient{t.TempDir()}
	conf := fmt.Sprintf("[main]\ncachedir=%[1]s/cache\npersistdir=%[1]s/persist\nlogdir=%[1]s\nreposdir=%[1]s/none\nvarsdir=%[1]s/none\npluginconfpath=%[1]s/none\nkeepcache=0\nretries=1\nskip_if_unavailable=0\nzchunk=0\n%[2]s", c.dir, repoFile)
	if err := os.WriteFile(filepath.Join(c.dir, "dnf.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	return c
}

// read asks for new metadata every other time, and in between downloads by what it read before.
func (c *dnfClient) read(ctx context.Context, n int) (string, error) {
	args := []string{"--refresh", "makecache"}
	if n%2 == 1 {
		got := filepath.Join(c.dir, "got")
		if err := os.RemoveAll(got); err != nil {
			return "", err
		}
		args = []string{"download", "--destdir", got, "kernel-ovz"}
	}
	all := append([]string{"--assumeyes", "--disableplugin=*", "--enableplugin=download", "--releasever=1", "--config=" + c.dir + "/dnf.conf"}, args...)
	cmd := exec.CommandContext(ctx, "dnf", all...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// held is what a client has read of a generation when the next one becomes current.
type held struct {
	t        *testing.T
	web      string
	dnf      *dnfClient
	metadata []string // what its repomd.xml names
	mirror   string   // the first of its mirrors
	signed   [2]string
}

func (h *held) get(path string) string {
	h.t.Helper()
	if !strings.HasPrefix(path, "http:") {
		path = h.web + "/" + path
	}
	r, err := http.Get(path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		h.t.Errorf("GET %s: %s, %v", path, r.Status, err)
	}
	return string(b)
}

func (h *held) read(repo string) {
	h.t.Helper()
	if out, err := h.dnf.read(h.t.Context(), 0); err != nil {
		h.t.Errorf("%v\n%s", err, out)
	}
	md, err := readRepomd(repo)
	if err != nil {
		h.t.Fatal(err)
	}
	h.metadata = nil
	for _, d := range md.Data {
		h.metadata = append(h.metadata, d.Location.Href)
	}
	h.mirror, _, _ = strings.Cut(h.get("current/ovzpatch-modern.mirrorlist"), "\n")
	h.signed = [2]string{h.get(h.mirror + "repodata/repomd.xml"), h.get(h.mirror + "repodata/repomd.xml.asc")}
}

// goOn reads what the client would read next.
func (h *held) goOn() {
	h.t.Helper()
	if out, err := h.dnf.read(h.t.Context(), 1); err != nil {
		h.t.Errorf("by older metadata: %v\n%s", err, out)
	}
	for _, href := range h.metadata {
		h.get("current/modern/" + href)
	}
	if h.signed != [2]string{h.get(h.mirror + "repodata/repomd.xml"), h.get(h.mirror + "repodata/repomd.xml.asc")} {
		h.t.Error("metadata and signature, by the list of mirrors, are not of one generation")
	}
}

// Clients see no error while it is published: those that read and download all the time, as the .repo
// file says and by the plain address without the metadata's signature, and one that is in the midst of
// it at each switch.
func TestClientsWhilePublishing(t *testing.T) {
	slow(t)
	f := newFixture(t)
	var refs []datastore.Ref
	for i := range 3 {
		refs = append(refs, f.keep("x86_64", fmt.Sprint(i+1), nil))
	}
	web := httptest.NewServer(http.FileServer(http.Dir(f.o.To)))
	defer web.Close()
	f.o.URL, f.o.Names = web.URL, []string{refs[0].String()}
	f.publish()
	repo, err := os.ReadFile(filepath.Join(f.o.To, "current/ovzpatch-modern.repo"))
	if err != nil {
		t.Fatal(err)
	}
	plain := fmt.Sprintf("[ovzpatch-modern]\nname=x\nbaseurl=%s/current/modern\ngpgcheck=1\ngpgkey=%[1]s/current/%s\n", web.URL, keyFile)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var reads, failures atomic.Int64
	for name, text := range map[string]string{"the .repo file": string(repo), "baseurl": plain} {
		c := newClient(t, text)
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				out, err := c.read(ctx, n)
				if ctx.Err() != nil {
					return
				}
				reads.Add(1)
				if err != nil {
					failures.Add(1)
					t.Errorf("%s: %v\n%s", name, err, out)
				}
			}
		})
	}
	h := &held{t: t, web: web.URL, dnf: newClient(t, plain)}
	for i := range *publishes {
		h.read(filepath.Join(f.o.To, "current/modern"))
		// Each time one kernel goes and another comes.
		f.o.Names = []string{refs[(i+1)%len(refs)].String()}
		f.publish()
		h.goOn()
	}
	cancel()
	wg.Wait()
	t.Logf("%d publishes, %d reads, %d failures", *publishes, reads.Load(), failures.Load())
	if reads.Load() < int64(*publishes) {
		t.Errorf("only %d reads", reads.Load())
	}
}
