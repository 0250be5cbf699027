// SPDX-License-Identifier: Apache-2.0

package guest_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"ovzpatch/internal/guest"
)

func TestDecoderGivesWhatEncoderTook(t *testing.T) {
	events := []guest.Event{
		{Hello: &guest.Hello{Release: "6.1.192", Machine: "x86_64", Args: []string{"umounttest.mode=run"}, Backends: []string{"namespaces"}, Cases: 1}},
		{Note: &guest.Note{Text: "two\nlines"}},
		{Case: &guest.Result{
			Name: "force-idle", Backend: "namespaces", Verdict: guest.Protected,
			Got: guest.Seen{Errno: "0", Messages: 1, ID: "4026532067", Want: "4026532067", Host: "0"}, Log: []string{"Forced umount"}, Millis: 3,
		}},
		{State: &guest.State{Name: guest.Loaded, Cases: 1, Verdict: guest.Protected, Millis: 7}},
		{Done: &guest.Done{Cases: 1, Verdict: guest.Protected}},
	}
	var b bytes.Buffer
	enc := guest.NewEncoder(&b)
	for _, e := range events {
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	dec := guest.NewDecoder(&b)
	for i, want := range events {
		want.N = i + 1
		got, err := dec.Next()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("event %d: got %+v, %v; want %+v", i+1, got, err, want)
		}
	}
	if _, err := dec.Next(); err != io.EOF {
		t.Errorf("after done: %v", err)
	}
}

func TestDecoderRefuses(t *testing.T) {
	const hello = `{"n":1,"hello":{"release":"6.1","machine":"x86_64","args":null,"backends":null,"cases":0}}` + "\n"
	for name, c := range map[string]struct{ in, want string }{
		"nothing":                  {"", guest.ErrNoDone.Error()},
		"no done":                  {hello, guest.ErrNoDone.Error()},
		"no hello":                 {`{"n":1,"note":{"text":"x"}}`, "hello must be the first event"},
		"second hello":             {hello + strings.Replace(hello, `"n":1`, `"n":2`, 1), "hello must be the first event"},
		"a gap":                    {hello + `{"n":3,"note":{"text":"x"}}`, "events were lost"},
		"a number twice":           {hello + `{"n":1,"note":{"text":"x"}}`, "events were lost"},
		"two kinds":                {hello + `{"n":2,"note":{"text":"x"},"done":{"cases":0,"verdict":"either"}}`, "has one kind"},
		"no kind":                  {hello + `{"n":2}`, "has one kind"},
		"no JSON":                  {hello + "Kernel panic - not syncing\n", "not an event"},
		"a lost result":            {hello + `{"n":2,"done":{"cases":1,"verdict":"protected"}}`, "done counts 1 cases, but 0 arrived"},
		"a lost result of a state": {hello + `{"n":2,"state":{"name":"loaded","cases":1,"verdict":"protected","ms":1}}`, "state counts 1 cases, but 0 arrived"},
		"data after done":          {hello + `{"n":2,"done":{"cases":0,"verdict":"either"}}` + "\n" + `{"n":3,"note":{"text":"x"}}`, "data after done"},
		"a line without an end":    {hello + strings.Repeat("x", guest.MaxLine+1), "token too long"},
	} {
		t.Run(name, func(t *testing.T) {
			dec := guest.NewDecoder(strings.NewReader(c.in))
			var err error
			for err == nil {
				_, err = dec.Next()
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if (c.want == guest.ErrNoDone.Error()) != errors.Is(err, guest.ErrNoDone) {
				t.Errorf("ErrNoDone or not: %v", err)
			}
		})
	}
}

func TestDecoderCountsEvents(t *testing.T) {
	var b bytes.Buffer
	enc := guest.NewEncoder(&b)
	enc.Encode(guest.Event{Hello: &guest.Hello{}})
	for range guest.MaxEvents {
		enc.Encode(guest.Event{Note: &guest.Note{}})
	}
	dec := guest.NewDecoder(&b)
	var err error
	n := -1
	for ; err == nil; n++ {
		_, err = dec.Next()
	}
	if n != guest.MaxEvents || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%d events, then %v", n, err)
	}
}

// Whatever arrives, a stream that ends well had a hello, a done, and every result.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte(`{"n":1,"hello":{}}` + "\n" + `{"n":2,"case":{}}` + "\n" + `{"n":3,"done":{"cases":1,"verdict":"either"}}`))
	f.Add([]byte(`{"n":1,"hello":{}}` + "\r\n\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dec := guest.NewDecoder(bytes.NewReader(b))
		cases, last := 0, guest.Event{}
		for {
			e, err := dec.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return
			}
			if e.N != last.N+1 {
				t.Fatalf("event %d after %d", e.N, last.N)
			}
			if e.Case != nil {
				cases++
			}
			last = e
		}
		if last.Done == nil || last.Done.Cases != cases {
			t.Errorf("ends well with %+v after %d cases", last, cases)
		}
	})
}
