// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"reflect"
	"testing"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/kmsg"
)

func message(id string) string {
	return "Forced umount of lustre fs is not allowed inside container (" + id + "). Overriding MNT_FORCE flag."
}

const probeInactive = "Lustre: setting import probe-MDT0000_UUID INACTIVE by administrator request"

func TestEvidence(t *testing.T) {
	kernel := func(text string) kmsg.Record { return kmsg.Record{Level: warning, Text: text} }
	for name, c := range map[string]struct {
		records []kmsg.Record
		want    guest.Seen
		lines   []string
	}{
		"nothing": {},
		"a message and its container": {
			records: []kmsg.Record{kernel("random: crng init done"), kernel(message("999"))},
			want:    guest.Seen{Messages: 1, ID: "999"},
			lines:   []string{message("999")},
		},
		"user space wrote it": {
			records: []kmsg.Record{{Facility: 1, Text: message("999")}, {Facility: 3, Text: probeInactive}},
		},
		"two containers": {
			records: []kmsg.Record{kernel(message("1")), kernel(message("2")), kernel(message("1"))},
			want:    guest.Seen{Messages: 3, ID: "1,2"},
			lines:   []string{message("1"), message("2"), message("1")},
		},
		"nearly the message": {
			records: []kmsg.Record{kernel(message("9") + " "), kernel("Forced umount of lustre fs"), kernel("VFS: " + message("9"))},
			lines:   []string{message("9") + " ", "Forced umount of lustre fs", "VFS: " + message("9")},
		},
		"messages of other levels": {
			records: []kmsg.Record{{Level: 6, Text: message("9")}, kernel(message("9")), {Level: 7, Text: message("9")}},
			want:    guest.Seen{Messages: 3, ID: "9", Level: "67"},
			lines:   []string{message("9"), message("9"), message("9")},
		},
		"inactive": {
			records: []kmsg.Record{kernel(probeInactive), kernel("Lustre: something else")},
			want:    guest.Seen{Inactive: 1},
			lines:   []string{probeInactive},
		},
		"the first trouble": {
			records: []kmsg.Record{kernel("BUG: one"), kernel("BUG: two")},
			want:    guest.Seen{Trouble: "BUG: one"},
			lines:   []string{"BUG: one", "BUG: two"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got guest.Seen
			lines := evidence(c.records, &got)
			if got != c.want || !reflect.DeepEqual(lines, c.lines) {
				t.Errorf("got %+v, %q; want %+v, %q", got, lines, c.want, c.lines)
			}
		})
	}
}

func TestEvidenceKeepsFewLines(t *testing.T) {
	var got guest.Seen
	lines := evidence(make([]kmsg.Record, 5), &got)
	if lines != nil {
		t.Errorf("empty records are evidence: %q", lines)
	}
	flood := make([]kmsg.Record, floods)
	for i := range flood {
		flood[i].Text = message("7")
	}
	if lines = evidence(flood, &got); got.Messages != floods || len(lines) != logLines {
		t.Errorf("%d messages, %d lines", got.Messages, len(lines))
	}
}

func TestOdd(t *testing.T) {
	for text, want := range map[string]bool{
		message("9"): false, probeInactive: false, "path_umount: 990 callbacks suppressed": false,
		"CT: 999: started": false, "BUG: trouble is told elsewhere": false,
		message("9") + "\n": true, // an empty line more
		"umount by sh":      true, "random: crng init done": true,
	} {
		if got := odd([]kmsg.Record{{Text: text}}, false); (got != "") != want {
			t.Errorf("%q: got %q", text, got)
		}
		if got := odd([]kmsg.Record{{Facility: 1, Text: text}}, false); got != "" {
			t.Errorf("%q by user space: got %q", text, got)
		}
	}
	if !named("Umount by sh") || named("random: crng init done") {
		t.Error("which lines are about umounts is not told")
	}
}
