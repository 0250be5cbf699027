// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind is what a cache has of one kind.
type Kind struct {
	Kind    string `json:"kind"`
	Entries int    `json:"entries"`
	Size    int64  `json:"bytes"`
}

// Kinds sums a cache up by kind, with the sum as the last.
func (c Cache) Kinds(ctx context.Context) ([]Kind, error) {
	list, err := c.Entries(ctx)
	if list == nil {
		return nil, err
	}
	place, kinds, sum := map[string]int{}, []Kind{}, Kind{Kind: "all"}
	for _, e := range list {
		i, ok := place[e.Kind]
		if !ok {
			i = len(kinds)
			place[e.Kind], kinds = i, append(kinds, Kind{Kind: e.Kind})
		}
		for _, k := range []*Kind{&kinds[i], &sum} {
			k.Entries++
			k.Size += e.Size
		}
	}
	return append(kinds, sum), err
}

// Day is what an age is counted in.
const Day = 24 * time.Hour

// Days is the age in whole days.
func (l Limits) Days() int { return int(l.Age / Day) }

// ParseLimits reads an age, as 30d or 12h, and a size, as 20G or 0.
func ParseLimits(age, size string) (Limits, error) {
	var l Limits
	var err error
	if days, ok := strings.CutSuffix(age, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		l.Age = time.Duration(n) * Day
	} else {
		l.Age, err = time.ParseDuration(age)
	}
	if err != nil || l.Age < 0 {
		return l, fmt.Errorf("--age=%s: it must be a number of days or a time, as 30d or 12h", age)
	}
	number, shift := size, 0
	for unit, bits := range map[string]int{"K": 10, "M": 20, "G": 30} {
		if n, ok := strings.CutSuffix(size, unit); ok {
			number, shift = n, bits
		}
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || shift == 0 && n != 0 {
		return l, fmt.Errorf("--size=%s: it must be a number with K, M or G, as 20G, or 0", size)
	}
	l.Size = int64(n) << shift
	return l, nil
}
