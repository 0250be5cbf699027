// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"strings"
	"testing"

	"ovzpatch/internal/guest"
)

// show returns what a kernel that behaves as wanted shows in a case.
func show(c Case, w Want) guest.Seen {
	errno, _, _ := strings.Cut(w.Errno, "|")
	s := guest.Seen{
		Errno: errno, Forced: w.Forced, Inactive: w.Inactive, Messages: w.Messages,
		Host: w.Host, Peer: w.Host, Mounted: w.Mounted, Want: "4026532067",
	}
	if c.Hold && !c.Ends {
		s.Held = w.Host
	}
	if w.Messages > 0 {
		s.ID = s.Want
	}
	return s
}

var gateNames = map[Gate]string{Open: "open", VE: "ve", Closed: "closed", Host: "host"}

func TestJudgeKnowsBothKernels(t *testing.T) {
	for _, c := range Cases() {
		for g, w := range c.Wants {
			t.Run(c.Name+"/"+gateNames[g], func(t *testing.T) {
				patched, unpatched := guest.Protected, guest.Vulnerable
				if overlap, _, _ := Judge(c, g, show(c, w.Patched)); overlap == guest.Either {
					patched, unpatched = guest.Either, guest.Either
				}
				if got, why, _ := Judge(c, g, show(c, w.Patched)); got != patched || why != "" {
					t.Errorf("patched: %s %q", got, why)
				}
				if got, why, _ := Judge(c, g, show(c, w.Unpatched)); got != unpatched || why != "" {
					t.Errorf("unpatched: %s %q", got, why)
				}
			})
		}
	}
}

func TestCasesAreWellFormed(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Cases() {
		if c.Name == "" || c.Kind == "" || c.Text == "" || c.For == "" || c.Type == "" || (c.act == nil) != c.Last || len(c.Wants) == 0 || names[c.Name] {
			t.Errorf("case %q lacks something, or its name is taken", c.Name)
		}
		names[c.Name] = true
		for g, w := range c.Wants {
			for _, want := range []Want{w.Patched, w.Unpatched} {
				if want.Errno == "" || want.Host == "" && !c.Last {
					t.Errorf("%s/%s: %+v", c.Name, gateNames[g], want)
				}
			}
		}
	}
}

func find(t *testing.T, name string) Case {
	for _, c := range Cases() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no case %q", name)
	return Case{}
}

// Every port that is wrong in one of the ways known so far is faulty in some case.
func TestJudgeCatchesWrongPorts(t *testing.T) {
	for name, p := range map[string]struct {
		test  string
		gate  Gate
		spoil func(*guest.Seen) // what it shows instead of what a patched kernel does
		why   string
	}{
		"logs but does not strip":    {"force-idle", Open, func(s *guest.Seen) { s.Forced, s.Inactive, s.Host = 1, 1, down }, "umount_begin calls 0, not 1"},
		"strips silently":            {"force-idle", Open, func(s *guest.Seen) { s.Messages, s.ID = 0, "" }, "messages 1, not 0"},
		"strips silently, gated":     {"force-idle", Closed, func(s *guest.Seen) { s.Messages, s.ID = 0, "" }, "messages 1, not 0"},
		"strips on the host":         {"host-force", Host, func(s *guest.Seen) { s.Forced, s.Inactive, s.Host = 0, 0, "0" }, "on any kernel: umount_begin calls 1, not 0"},
		"strips every type":          {"force-other-type", Open, func(s *guest.Seen) { s.Forced, s.Host = 0, "0" }, "umount_begin calls 1, not 0"},
		"strips DETACH":              {"force-detach-busy", Open, func(s *guest.Seen) { s.Errno, s.Mounted = "EBUSY", true }, "errno 0, not EBUSY"},
		"wrong id":                   {"force-idle", Open, func(s *guest.Seen) { s.ID = "0" }, "container id 4026532067, not 0"},
		"id of the outer container":  {"force-nested", Open, func(s *guest.Seen) { s.ID = "4026532066" }, "container id"},
		"EXPIRE made to succeed":     {"expire-force", Open, func(s *guest.Seen) { s.Errno, s.Mounted = "0", false }, "errno EINVAL, not 0"},
		"EXPIRE without FORCE":       {"expire-force", Open, func(s *guest.Seen) { s.Errno = "EAGAIN" }, "errno EINVAL, not EAGAIN"},
		"logs before permission":     {"force-uid-1000", Open, func(s *guest.Seen) { s.Messages, s.ID = 1, s.Want }, "messages 0, not 1"},
		"logs before the path":       {"force-not-a-mount", Closed, func(s *guest.Seen) { s.Messages, s.ID = 1, s.Want }, "messages 0, not 1"},
		"drops NOFOLLOW":             {"force-nofollow-symlink", Open, func(s *guest.Seen) { s.Errno, s.Mounted = "0", false }, "errno EINVAL, not 0"},
		"no rate limit":              {"force-flood", Closed, func(s *guest.Seen) { s.Messages = floods }, "messages 1 to 11, not 2000"},
		"no rate limit, slowly":      {"force-flood", VE, func(s *guest.Seen) { s.Messages, s.Acted = 52, 20_900 }, "messages 1 to 51, not 52"},
		"logs twice":                 {"force-idle", Open, func(s *guest.Seen) { s.Messages = 2 }, "messages 1, not 2"},
		"tells the container":        {"force-idle", VE, func(s *guest.Seen) { s.Own = 1 }, "messages in the container's own log 0, not 1"},
		"a limit for each container": {"force-flood-both", Open, func(s *guest.Seen) { s.Messages = 2 * burst }, "messages 1 to 11, not 20"},
		"one of two":                 {"force-flood", Open, func(s *guest.Seen) { s.Forced = floods / 2 }, "umount_begin calls 0, not 1000"},
		"names a third":              {"force-flood-both", Open, func(s *guest.Seen) { s.Want, s.ID = "7|8", "7,9" }, "container id 7|8, not 7,9"},
		"names another in a flood":   {"force-flood-threads", Open, func(s *guest.Seen) { s.Messages, s.Want, s.ID = 1, "7", "8" }, "container id 7, not 8"},
		"floods from threads":        {"force-flood-threads", Open, func(s *guest.Seen) { s.Messages = 2 * threads }, "messages 0 to 11, not 400"},
		"names one twice":            {"force-two-containers", Open, func(s *guest.Seen) { s.Want, s.ID = "7,8", "7" }, "container id 7,8, not 7"},
		"read-only":                  {"force-idle", Open, func(s *guest.Seen) { s.Host = "EROFS" }, "a use on the host 0, not EROFS"},
		"read-only for the other":    {"plain", Open, func(s *guest.Seen) { s.Peer = "EROFS" }, "a use in the other container 0, not EROFS"},
		"read-only by what is held":  {"detach-busy", Open, func(s *guest.Seen) { s.Held = "EROFS" }, "a use of what is held open 0, not EROFS"},
		"keeps a superblock":         {"force-idle", Open, func(s *guest.Seen) { s.Left = 1 }, "superblocks left behind 0, not 1"},
		"keeps memory":               {"force-flood", Open, func(s *guest.Seen) { s.Grown = 64 }, "the calls leave 64 KiB"},
		"keeps its callers":          {"force-flood-threads", VE, func(s *guest.Seen) { s.Kept = "200 task_struct" }, "the calls leave in the kernel: 200 task_struct"},
		"keeps the host's callers":   {"host-flood-threads", Host, func(s *guest.Seen) { s.Kept = "200 cred_jar" }, "the calls leave in the kernel: 200 cred_jar"},
		"keeps the host's mount":     {"host-force", Host, func(s *guest.Seen) { s.Left = 1 }, "superblocks left behind 0, not 1"},
		"sleeps under the lock":      {"force-flood", Open, func(s *guest.Seen) { s.Waited = 50 }, "another container's umount of a tmpfs is kept waiting for 50 ms"},
		"changes its caller":         {"force-flood", Open, func(s *guest.Seen) { s.Changed = "flags 0x0 becomes 0x200000" }, "the calls change their caller, or the mount: flags 0x0 becomes 0x200000"},
		"sleeps":                     {"force-flood", Open, func(s *guest.Seen) { s.Slower = 50 }, "a call takes 50 ms at least"},
		"writes more":                {"force-idle", Open, func(s *guest.Seen) { s.Odd = "umount by sh" }, `the kernel also wrote "umount by sh"`},
		"whispers":                   {"force-idle", Open, func(s *guest.Seen) { s.Level = "7" }, "level of a message 4, not 7"},
		"sleeps wrongly": {
			"plain", Open, func(s *guest.Seen) { s.Trouble = "BUG: sleeping function called from invalid context at mm/slab.h:494" },
			"sleeps where it must not, the kernel says: BUG: sleeping function called from invalid context at mm/slab.h:494",
		},
		"locks wrongly": {
			"plain", Open, func(s *guest.Seen) { s.Trouble = "WARNING: possible recursive locking detected" },
			"locks wrongly, the kernel says: WARNING: possible recursive locking detected",
		},
		"warns": {"plain", Open, func(s *guest.Seen) { s.Trouble = "WARNING: CPU: 0" }, "the kernel complained: WARNING: CPU: 0"},
	} {
		t.Run(name, func(t *testing.T) {
			c := find(t, p.test)
			seen := show(c, c.Wants[p.gate].Patched)
			p.spoil(&seen)
			got, why, _ := Judge(c, p.gate, seen)
			if got != guest.Faulty || !strings.Contains(why, p.why) {
				t.Errorf("got %s, %q; want faulty, %q", got, why, p.why)
			}
		})
	}
}

// The rate limit lets more messages through the longer a flood takes.
func TestJudgeOfASlowFlood(t *testing.T) {
	c := find(t, "force-flood")
	seen := show(c, c.Wants[VE].Patched)
	seen.Messages, seen.Acted = 40, 16_000
	if got, why, _ := Judge(c, VE, seen); got != guest.Protected {
		t.Errorf("got %s, %q", got, why)
	}
}

// Behind another flood the rate limit may let some messages of the threads through, or none.
func TestJudgeOfThreadsBehindAFlood(t *testing.T) {
	c := find(t, "force-flood-threads")
	for _, messages := range []int{0, burst} {
		seen := show(c, c.Wants[Open].Patched)
		seen.Messages, seen.ID = messages, seen.Want
		if got, why, _ := Judge(c, Open, seen); got != guest.Protected {
			t.Errorf("%d messages: %s, %q", messages, got, why)
		}
	}
	if n := room(c.Wants[Open].Patched); n != 0 {
		t.Errorf("it waits for room for %d messages", n)
	}
}

// Harm that no port is there for is told, and is no verdict on the port.
func TestJudgeFindsReadOnly(t *testing.T) {
	for name, want := range map[string]guest.Verdict{"shutdown": guest.Protected, "force-chroot": guest.Protected, "remount-read-only": guest.Either} {
		c := find(t, name)
		got := show(c, *c.Wants[Open].Finding)
		verdict, why, finding := Judge(c, Open, got)
		if verdict != want || why != "" || finding != ReadOnly {
			t.Errorf("%s: %s %q %q", name, verdict, why, finding)
		}
		got.Forced = 1
		if verdict, _, finding := Judge(c, Open, got); verdict != guest.Faulty || finding != "" {
			t.Errorf("%s, forced: %s %q", name, verdict, finding)
		}
	}
}

func TestJudgeDoesNotGuess(t *testing.T) {
	if got, why, _ := Judge(find(t, "host-force"), Open, guest.Seen{}); got != guest.Inconclusive || why == "" {
		t.Errorf("got %s, %q", got, why)
	}
}

func TestOverall(t *testing.T) {
	gates := map[string]Gate{"namespaces": Open, "userns": Closed, "ve": VE, "host": Host}
	harm := guest.Seen{Forced: 1, Host: down}
	res := func(backend string, v guest.Verdict, got guest.Seen) guest.Result {
		return guest.Result{Backend: backend, Verdict: v, Got: got}
	}
	protected := res("namespaces", guest.Protected, guest.Seen{})
	vulnerable := res("namespaces", guest.Vulnerable, harm)
	refused := res("userns", guest.Vulnerable, guest.Seen{})
	either := res("host", guest.Either, harm)
	faulty := res("userns", guest.Faulty, guest.Seen{})
	open := res("userns", guest.Inconclusive, guest.Seen{})
	for name, c := range map[string]struct {
		results []guest.Result
		want    guest.Verdict
	}{
		"nothing":                        {nil, guest.Inconclusive},
		"controls alone":                 {[]guest.Result{either, either}, guest.Inconclusive},
		"protected":                      {[]guest.Result{protected, either}, guest.Protected},
		"vulnerable in a VE":             {[]guest.Result{res("ve", guest.Vulnerable, harm), either}, guest.Vulnerable},
		"vulnerable":                     {[]guest.Result{vulnerable, refused, either}, guest.Vulnerable},
		"refused everywhere, no harm":    {[]guest.Result{refused, either}, guest.Inconclusive},
		"harm from a user namespace":     {[]guest.Result{res("userns", guest.Vulnerable, harm)}, guest.Inconclusive},
		"harm on a backend never named":  {[]guest.Result{res("other", guest.Vulnerable, harm)}, guest.Inconclusive},
		"protected here, not there":      {[]guest.Result{protected, refused}, guest.Faulty},
		"one case faulty":                {[]guest.Result{protected, faulty}, guest.Faulty},
		"one case open":                  {[]guest.Result{protected, open}, guest.Inconclusive},
		"one case open on vulnerable":    {[]guest.Result{vulnerable, open}, guest.Inconclusive},
		"faulty weighs more than open":   {[]guest.Result{vulnerable, open, faulty}, guest.Faulty},
		"a verdict nobody ever heard of": {[]guest.Result{protected, res("host", "fine", harm)}, guest.Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Overall(c.results, gates); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
