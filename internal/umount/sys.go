// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// errnoName returns an errno's name, "0" for nil, and the text of any other error.
func errnoName(err error) string {
	var e syscall.Errno
	switch {
	case err == nil:
		return "0"
	case errors.As(err, &e):
		if name := unix.ErrnoName(e); name != "" {
			return name
		}
	}
	return err.Error()
}

// The capabilities that allow umount. In a VE of OpenVZ's 2.6.18 and 2.6.32 CAP_VE_ADMIN does; later kernels call its
// number CAP_AUDIT_CONTROL.
const (
	capSysAdmin = unix.CAP_SYS_ADMIN
	capVEAdmin  = 30
)

// dropAdmin drops them in the calling thread.
func dropAdmin() error {
	// Asked for an unknown version, the kernel returns the one that it wants.
	var header unix.CapUserHeader
	unix.Capget(&header, nil)
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("ask for capabilities: %w", err)
	}
	const admin = 1<<capSysAdmin | 1<<capVEAdmin
	data[0].Effective &^= admin
	data[0].Permitted &^= admin
	data[0].Inheritable &^= admin
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// raiseAll makes every permitted capability of the calling thread effective.
func raiseAll() error {
	var header unix.CapUserHeader
	unix.Capget(&header, nil)
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("ask for capabilities: %w", err)
	}
	for i := range data {
		data[i].Effective = data[i].Permitted
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("raise capabilities: %w", err)
	}
	return nil
}

// use does what users of a filesystem do: statfs and stat of its root, then open, read and write of a file. It returns
// the first error.
func use(path string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	if _, err := os.ReadFile(path + "/" + dataFile); err != nil {
		return err
	}
	f, err := os.OpenFile(path+"/"+dataFile, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("x")
	return errors.Join(err, f.Close())
}

// dataFile and dirName are a file and a directory in every filesystem under test. The directory contains both once
// more.
const (
	dataFile = "data"
	dirName  = "dir"
)

// mountPaths returns all mount points, in the order of mounting.
func mountPaths() ([]string, error) {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("read mount table: %w", err)
	}
	return parseMounts(string(b)), nil
}

// parseMounts returns the second field of every line. The kernel writes blanks in it as octal numbers.
func parseMounts(table string) []string {
	unquote := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var out []string
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) >= 2 {
			out = append(out, unquote.Replace(fields[1]))
		}
	}
	return out
}

// slab returns how many KiB the kernel's own objects take. Since 2.6.19 that leaves out those that the kernel can
// reclaim.
func slab() (int, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	return parseSlab(string(b))
}

func parseSlab(meminfo string) (int, error) {
	value := ""
	for line := range strings.Lines(meminfo) {
		if f := strings.Fields(line); len(f) >= 2 && (f[0] == "SUnreclaim:" || f[0] == "Slab:" && value == "") {
			value = f[1]
		}
	}
	if value == "" {
		return 0, errors.New("read memory: /proc/meminfo has no Slab")
	}
	return strconv.Atoi(value)
}
