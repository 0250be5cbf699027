// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"ovzpatch/internal/build"
	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/slurm"
	"ovzpatch/internal/tool"
)

// Engine does the cells of a progress, somewhere, and says there how far they are. It calls each for every
// cell that came to its end, with why it has no result.
type Engine interface {
	Run(ctx context.Context, w *Work, p *progress, each func(*Cell, error) error) error
}

// LocalJobs is how many cells this machine does at a time where nobody says how many.
func LocalJobs() int { return max(2, runtime.NumCPU()/4) }

// OnThisMachine returns the engine that does up to jobs cells at a time here, where the tools for them are.
func (m *Matrix) OnThisMachine(cacheDir string, jobs int) (Engine, error) {
	tools, err := tools(m.Cells)
	if err == nil {
		err = tool.Need(tools...)
	}
	if err != nil {
		return nil, err
	}
	l := &Local{
		Attempt: Attempt{Program: m.program, CacheDir: cacheDir, Name: fmt.Sprintf("%d.%d", time.Now().Unix(), os.Getpid())},
		Jobs:    jobs, Memory: FreeMemory,
	}
	if jobs > 2 {
		// Compilers of several cells share the processors.
		l.Compile = max(2, 2*runtime.NumCPU()/jobs)
	}
	return l, nil
}

// OnCluster returns the engine that does the cells as tasks of a Slurm cluster, where this machine can reach
// one. atOnce is how many of an array run at a time, 0 is what the cluster has.
func (m *Matrix) OnCluster(atOnce int, u job.Reporter) (Engine, error) {
	if err := tool.Need(slurm.Tools); err != nil {
		return nil, job.BadRequest(err)
	}
	return &Cluster{Slurm: m.File.Slurm, Program: m.program, AtOnce: atOnce, Report: u}, nil
}

// tools returns the sets of programs that cells need on the machine that does them.
func tools(cells []*Cell) ([][]tool.Tool, error) {
	roots, guests := map[string]bool{}, false
	var sets [][]tool.Tool
	for _, c := range cells {
		switch c.Args[0] {
		case "check":
			continue
		case "run":
			root := ""
			if values, err := flagValues(c.options["root"]); err == nil {
				root = values[0]
			}
			if !roots[root] {
				parsed, err := rpmbuild.ParseRoot(root)
				if err != nil {
					return nil, job.BadRequest(fmt.Errorf("cell %s: --root: %w", c.Name, err))
				}
				sets = append(sets, build.Tools(parsed))
			}
			roots[root] = true
		default:
			sets = append(sets, tool.Probe)
		}
		guests = true
	}
	if guests {
		sets = append(sets, tool.Guest)
	}
	return sets, nil
}
