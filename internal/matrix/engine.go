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

// Engine does cells, on this machine or elsewhere. It tells the progress how far they are, and calls each
// when a cell has ended; an error says why the cell has no result.
type Engine interface {
	Run(ctx context.Context, w *Work, p *progress, each func(*Cell, error) error) error
}

// LocalJobs is the default number of cells that this machine does at a time.
func LocalJobs() int { return max(2, runtime.NumCPU()/4) }

// OnThisMachine returns an engine that does up to jobs cells at a time here. It fails if a tool is missing.
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

// OnCluster returns an engine that does the cells as tasks of a Slurm cluster. atOnce limits the tasks of an
// array that run at a time; 0 is no limit. It fails if Slurm's commands are missing.
func (m *Matrix) OnCluster(atOnce int, u job.Reporter) (Engine, error) {
	if err := tool.Need(slurm.Tools); err != nil {
		return nil, job.BadRequest(err)
	}
	return &Cluster{Slurm: m.File.Slurm, Program: m.program, AtOnce: atOnce, Report: u}, nil
}

// tools returns the programs that the cells need.
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
