// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"ovzpatch/internal/command"
)

// server is this user's one sccache server, which does the work and counts it.
type server struct {
	program string
	ours    bool // we started it, so we end it
	before  sccacheStats
}

// sccacheStats is the part of sccache --show-stats that we read.
type sccacheStats struct {
	Stats struct {
		Hits   sccacheCounts  `json:"cache_hits"`
		Misses sccacheCounts  `json:"cache_misses"`
		Hosts  map[string]int `json:"dist_compiles"`
	} `json:"stats"`
}

// sccacheCounts are counts by language.
type sccacheCounts struct {
	Counts map[string]int `json:"counts"`
}

func (c sccacheCounts) sum() int {
	n := 0
	for _, v := range c.Counts {
		n += v
	}
	return n
}

// startServer starts a server if none is running. A running server has the configuration of
// whoever started it, and may work for others.
func startServer(ctx context.Context, program string) (*server, error) {
	s := &server{program: program}
	_, err := command.Ask(ctx, program, "--start-server")
	var failed *command.Error
	switch {
	case err == nil:
		s.ours = true
	case !errors.As(err, &failed) || failed.ExitCode < 0:
		return nil, err
	case strings.Contains(failed.Tail, "Timed out waiting"):
		// It waits ten seconds only, and what it started comes later.
		s.ours = true
	}
	// If the start failed for another reason than a running server, this fails too.
	var asked error
	if s.before, asked = s.stats(ctx); asked != nil {
		return nil, errors.Join(err, asked)
	}
	return s, nil
}

func (s *server) stats(ctx context.Context) (sccacheStats, error) {
	var stats sccacheStats
	out, err := command.Ask(ctx, s.program, "--show-stats", "--stats-format=json")
	if err != nil {
		return stats, err
	}
	if err := json.Unmarshal(out, &stats); err != nil {
		return stats, fmt.Errorf("read statistics: %w", err)
	}
	return stats, nil
}

// count adds what the server did since we started or found it. Builds that share a running server
// cannot be told apart.
func (s *server) count(ctx context.Context, r *Report) error {
	now, err := s.stats(ctx)
	if err != nil {
		return err
	}
	r.add(s.before, now)
	return nil
}

func (r *Report) add(before, now sccacheStats) {
	r.Hits = now.Stats.Hits.sum() - before.Stats.Hits.sum()
	r.Misses = now.Stats.Misses.sum() - before.Stats.Misses.sum()
	for host, n := range now.Stats.Hosts {
		if n -= before.Stats.Hosts[host]; n > 0 {
			if r.Hosts == nil {
				r.Hosts = map[string]int{}
			}
			r.Hosts[host] = n
		}
	}
}

// stop ends the server if we started it.
func (s *server) stop(ctx context.Context) error {
	if !s.ours {
		return nil
	}
	return command.Run(ctx, command.Cmd{Args: []string{s.program, "--stop-server"}})
}
