// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"slices"
	"testing"
	"time"

	"ovzpatch/internal/kmsg"
)

func TestParseRecord(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want kmsg.Record
		bad  bool
	}{
		"kernel": {
			in:   "4,339,5140900,-;Forced umount of lustre fs\n",
			want: kmsg.Record{Level: 4, Seq: 339, Time: 5140900 * time.Microsecond, Text: "Forced umount of lustre fs"},
		},
		"user space has facility 1": {
			in:   "12,340,5141000,-;Forced umount of lustre fs\n",
			want: kmsg.Record{Facility: 1, Level: 4, Seq: 340, Time: 5141 * time.Millisecond, Text: "Forced umount of lustre fs"},
		},
		"caller and dictionary": {
			in:   "6,7,8,c,caller=T1;tty: found\n SUBSYSTEM=tty\n DEVICE=c4:64\n",
			want: kmsg.Record{Level: 6, Seq: 7, Time: 8 * time.Microsecond, Text: "tty: found"},
		},
		"escapes": {
			in:   `6,7,8,-;a\x0ab\x5cx\xzz\x1` + "\n",
			want: kmsg.Record{Level: 6, Seq: 7, Time: 8 * time.Microsecond, Text: "a\nb\\x\\xzz\\x1"},
		},
		"semicolon in the text": {
			in:   "6,7,8,-;a;b",
			want: kmsg.Record{Level: 6, Seq: 7, Time: 8 * time.Microsecond, Text: "a;b"},
		},
		"no prefix":     {in: "hello\n", bad: true},
		"short prefix":  {in: "6,7;hello\n", bad: true},
		"bad priority":  {in: "x,7,8,-;hello\n", bad: true},
		"bad sequence":  {in: "6,-1,8,-;hello\n", bad: true},
		"time too long": {in: "6,7,18446744073709551615,-;hello\n", bad: true},
		"nothing":       {bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := kmsg.ParseRecord([]byte(c.in))
			if (err != nil) != c.bad || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestParseSyslog(t *testing.T) {
	in := "lost its beginning\n<6>[    1.250000] Lustre: up\n<4>no time\nmore of it\n<14>[x] odd\n<5>[1.2] short\n<9999999999999>bad\n"
	want := []kmsg.Record{
		{Level: 6, Time: 1250 * time.Millisecond, Text: "Lustre: up"},
		{Level: 4, Time: -1, Text: "no time\nmore of it"},
		{Facility: 1, Level: 6, Time: -1, Text: "[x] odd"},
		{Level: 5, Time: -1, Text: "[1.2] short\n<9999999999999>bad"},
	}
	if got := kmsg.ParseSyslog([]byte(in)); !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestTrouble(t *testing.T) {
	for text, want := range map[string]bool{
		"WARNING: CPU: 0 PID: 70 at fs/namespace.c:1830 path_umount+0x1":          true,
		"BUG: kernel NULL pointer dereference, address: 0":                        true,
		"WARNING: possible circular locking dependency detected":                  true,
		"WARNING: lock held when returning to user space!":                        true,
		"WARNING: possible irq lock inversion dependency detected":                true,
		"kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)": true,
		"watchdog: BUG: soft lockup - CPU#0 stuck for 22s!":                       true,
		"Lustre: setting import INACTIVE by administrator request":                false,
		"Kernel command line: console=ttyS0 oops=panic panic=1":                   false,

		// What 2.6.18-028stab056 said when a module made it stumble: on i386,
		"BUG: warning at /root/trouble.c:14/t_init()":                                       true,
		"kernel BUG at /root/trouble.c:15!":                                                 true,
		"invalid opcode: 0000 [#1]":                                                         true,
		"BUG: unable to handle kernel NULL pointer dereference at virtual address 00000008": true,
		"general protection fault: 07b8 [#4]":                                               true,
		"int3: 0000 [#6]":                                                                   true,
		"Bad page state in process 'init'":                                                  true,
		// and on x86_64.
		"Kernel BUG at /root/trouble.c:15":                                 true,
		"invalid opcode: 0000 [1] SMP ":                                    true,
		"Unable to handle kernel paging request at fffffffffffff000 RIP: ": true,
		"Oops: 0002 [3] SMP ":                                              true,
		"int3: 0000 [6] SMP ":                                              true,
	} {
		if got := (kmsg.Record{Text: text}).Trouble(); got != want {
			t.Errorf("%q: got %v", text, got)
		}
		if (kmsg.Record{Facility: 1, Text: text}).Trouble() {
			t.Errorf("%q: trouble, though user space wrote it", text)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte("4,339,5140900,-;text\n KEY=VALUE\n"))
	f.Add([]byte(`6,7,8,c,caller=T1;\x0a\x`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := kmsg.ParseRecord(b)
		if err == nil && (r.Time < 0 || r.Facility < 0 || r.Level < 0 || r.Level > 7) {
			t.Errorf("out of range: %+v", r)
		}
	})
}

func FuzzParseSyslog(f *testing.F) {
	f.Add([]byte("<6>[    1.250000] text\n<4>more\n and more"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range kmsg.ParseSyslog(b) {
			if r.Time < -1 || r.Facility < 0 || r.Level < 0 || r.Level > 7 {
				t.Errorf("out of range: %+v", r)
			}
		}
	})
}
