// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/command"
	"ovzpatch/internal/plainfile"
)

// Accel says how guests run on this machine.
type Accel struct {
	Name   string `json:"name"`   // "kvm" or "tcg", as QEMU calls it
	Reason string `json:"reason"` // why this one, for the user
	// Slowdown says how many times slower than the reference a guest counts; below 1 means
	// faster.
	Slowdown float64 `json:"slowdown"`
	// Icount says that a guest's clock can count its instructions, under TCG only.
	Icount bool `json:"icount"`
}

// icount makes the guest's clock count its instructions and jump ahead when the guest is idle.
// The manual of QEMU 7.2 says that the two do not go together, and the program takes them, up to 11.1.
const icount = "shift=auto,sleep=off"

// spareIcount is the same with a clock that runs a nanosecond an instruction, whatever else this
// machine does: what a guest does by its clock, such as Go's runtime every 20 us, comes less often.
// It is not for kernels that measure their processor in loops, as old ones do: those take long.
const spareIcount = "shift=0,sleep=off"

const (
	// loopRounds is how far the boot sector counts; it limits a probe to some seconds.
	loopRounds = 400_000_000
	// referenceLoop is how long the reference takes for that: TCG on one idle core of a server
	// processor of 2020.
	referenceLoop = time.Second

	// kvmPatience is long enough for a loaded host: working KVM answers in 0.5 s.
	kvmPatience = 5 * time.Second
	tcgPatience = 60 * time.Second
)

// ChooseAccel boots a tiny disk to find out which accelerator works here, and how fast it is. It
// does not trust /dev/kvm, which may exist, open, and hang every guest. It stores the answer in c
// for this boot of the host; with a c without Dir, it asks every time.
func ChooseAccel(ctx context.Context, c cache.Cache) (Accel, error) {
	version, err := command.Ask(ctx, Program, "--version")
	if err != nil {
		return Accel{}, fmt.Errorf("choose accelerator: %w", err)
	}
	bootID, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Accel{}, fmt.Errorf("choose accelerator: %w", err)
	}
	kvmErr := openKVM("/dev/kvm")
	// The key also has what may change while the host is up.
	key := cache.NewKey("accel").Add("boot", string(bootID)).Add("qemu", string(version)).
		Add("kvm", fmt.Sprint(kvmErr)).Add("loop", fmt.Sprint(loopRounds)).Add("icount", icount).String()
	return remember(c, key, func() (Accel, error) {
		a, err := choose(ctx, kvmErr, probe)
		if err == nil && a.Name == "tcg" {
			err = a.count(ctx)
		}
		return a, err
	})
}

// count finds out whether this QEMU takes -icount as guests are given it.
func (a *Accel) count(ctx context.Context) error {
	_, err := command.Output(ctx, command.Cmd{
		Args: []string{
			Program, "-accel", "tcg", "-icount", icount, "-M", "none", "-nodefaults", "-no-user-config",
			"-display", "none", "-S", "-monitor", "stdio",
		},
		Stdin: strings.NewReader("quit\n"), Limit: tcgPatience,
	})
	if ctx.Err() != nil {
		return fmt.Errorf("choose accelerator: %w", context.Cause(ctx))
	}
	var ce *command.Error
	switch {
	case err == nil:
		a.Icount = true
	case errors.As(err, &ce) && strings.TrimSpace(ce.Tail) != "":
		err = errors.New(strings.Join(strings.Split(strings.TrimSpace(ce.Tail), "\n"), "; "))
		fallthrough
	default:
		a.Reason += fmt.Sprintf("; and without -icount, so that waiting in the guest takes its time: %v", err)
	}
	return nil
}

// openKVM returns an error that says why KVM cannot even be tried.
func openKVM(path string) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s cannot be opened: %w", path, err)
	}
	return unix.Close(fd)
}

// choose takes KVM if a boot under it answers, otherwise TCG. try boots under the named
// accelerator and returns how long the loop took.
func choose(ctx context.Context, kvmErr error, try func(ctx context.Context, name string, patience time.Duration) (time.Duration, error)) (Accel, error) {
	if kvmErr == nil {
		var loop time.Duration
		if loop, kvmErr = try(ctx, "kvm", kvmPatience); kvmErr == nil {
			return accel("kvm", "a boot under KVM works here", loop), nil
		}
		if ctx.Err() != nil {
			return Accel{}, fmt.Errorf("choose accelerator: %w", context.Cause(ctx))
		}
		kvmErr = fmt.Errorf("a boot under KVM fails: %w", kvmErr)
	}
	loop, err := try(ctx, "tcg", tcgPatience)
	if err != nil {
		return Accel{}, fmt.Errorf("choose accelerator: no guest runs here, not even under TCG; is %s installed completely? %w", Program, err)
	}
	return accel("tcg", strings.Join(strings.Split(kvmErr.Error(), "\n"), "; "), loop), nil
}

func accel(name, reason string, loop time.Duration) Accel {
	return Accel{Name: name, Reason: reason, Slowdown: float64(loop) / float64(referenceLoop)}
}

// errNoAnswer means that a probe hangs.
var errNoAnswer = errors.New("no answer")

// probe boots the boot sector and times its loop.
func probe(ctx context.Context, name string, patience time.Duration) (time.Duration, error) {
	disk, err := memoryFile(bootSector(loopRounds))
	if err != nil {
		return 0, fmt.Errorf("make boot sector: %w", err)
	}
	defer disk.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%w in %v", errNoAnswer, patience))
	defer cancel()
	var begins, ends time.Time
	err = command.Run(ctx, command.Cmd{
		Args:       probeArgs(name),
		ExtraFiles: []*os.File{disk},
		Line: func(line string) {
			switch line + "\n" {
			case loopBegins:
				begins = time.Now()
			case loopEnds:
				ends = time.Now()
			}
		},
	})
	if cause := context.Cause(ctx); cause != nil {
		return 0, cause
	}
	var ce *command.Error
	if !errors.As(err, &ce) || ce.ExitCode != 2*exitValue+1 {
		if err == nil {
			err = errors.New("the boot sector did not run to its end")
		}
		return 0, err
	}
	if begins.IsZero() || ends.IsZero() {
		return 0, fmt.Errorf("the boot sector ran, but its output was lost: %s", strings.TrimSpace(ce.Tail))
	}
	return ends.Sub(begins), nil
}

func probeArgs(accel string) []string {
	return append(board(accel),
		"-m", "16",
		"-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=1", exitPort),
		"-drive", "if=ide,format=raw,file=/dev/fd/3",
		"-chardev", "file,id=console,path=/dev/fd/1", "-serial", "chardev:console",
	)
}

// memoryFile returns a file without a name, so that nothing can be left behind.
func memoryFile(b []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("boot sector", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "boot sector")
	if _, err := f.Write(b); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// remember returns what is stored under key, or makes and stores it.
func remember(c cache.Cache, key string, make func() (Accel, error)) (Accel, error) {
	const kind, file = "accel", "accel.json"
	if c.Dir == "" {
		return make()
	}
	if dir, ok := c.Get(kind, key); ok {
		if b, err := plainfile.Read(filepath.Join(dir, file)); err == nil {
			var a Accel
			if json.Unmarshal(b, &a) == nil && a.Name != "" {
				return a, nil
			}
		}
		// An unreadable answer is worthless: ask again.
		if err := c.Remove(kind, key); err != nil {
			return Accel{}, fmt.Errorf("forget accelerator: %w", err)
		}
	}
	a, err := make()
	if err != nil {
		return Accel{}, err
	}
	b, err := json.Marshal(a)
	if err != nil {
		return Accel{}, fmt.Errorf("remember accelerator: %w", err)
	}
	_, err = c.Put(kind, key, func(dir string) error {
		return os.WriteFile(filepath.Join(dir, file), b, 0o644)
	})
	if err != nil {
		return Accel{}, fmt.Errorf("remember accelerator: %w", err)
	}
	return a, nil
}
