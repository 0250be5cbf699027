// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrLost means that the log's ring overwrote records before they were read: a line that was not
// seen may still have been logged. Reader.Since returns it.
var ErrLost = errors.New("the kernel log overwrote records before they were read")

// Reader reads what the running kernel logs after Open.
type Reader struct {
	fd int // of /dev/kmsg, or -1 if syslog(2) is used
}

// Actions of syslog(2), which x/sys does not name.
const (
	syslogRead       = 2 // and clear what it returned
	syslogReadAll    = 3
	syslogSizeUnread = 9
)

// Open returns a Reader positioned after the last record. It reads /dev/kmsg, or, on kernels
// before 3.5, syslog(2): records that it reads there are lost to other readers.
func Open() (*Reader, error) {
	r := &Reader{fd: -1}
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		// Old kernels open it, but refuse to read or seek.
		if _, err = unix.Seek(fd, 0, unix.SEEK_END); err == nil {
			if _, err = unix.Read(fd, make([]byte, recordBytes)); err == nil || errors.Is(err, unix.EAGAIN) {
				r.fd = fd
			}
		}
		if r.fd < 0 {
			unix.Close(fd)
		}
	}
	if err := r.mark(); err != nil {
		return nil, fmt.Errorf("open kernel log: %w (be root in the initial namespaces)", err)
	}
	return r, nil
}

// recordBytes is the length of the longest record of /dev/kmsg (CONSOLE_EXT_LOG_MAX).
const recordBytes = 8192

// mark skips everything logged so far.
func (r *Reader) mark() error {
	if r.fd < 0 {
		_, err := drainSyslog()
		return err
	}
	if _, err := unix.Seek(r.fd, 0, unix.SEEK_END); err != nil {
		return fmt.Errorf("seek kernel log: %w", err)
	}
	return nil
}

// Since returns the records since Open or the last Since, oldest first. With ErrLost it returns
// the records that are left.
func (r *Reader) Since() ([]Record, error) {
	if r.fd < 0 {
		b, err := drainSyslog()
		return ParseSyslog(b), err
	}
	var out []Record
	var lost error
	buf := make([]byte, recordBytes)
	for {
		n, err := unix.Read(r.fd, buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return out, lost
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EPIPE):
			lost = ErrLost
			continue
		case err != nil:
			return out, fmt.Errorf("read kernel log: %w", err)
		}
		rec, err := ParseRecord(buf[:n])
		if err != nil {
			return out, err
		}
		out = append(out, rec)
	}
}

// Close releases the log.
func (r *Reader) Close() error {
	if r.fd < 0 {
		return nil
	}
	return unix.Close(r.fd)
}

// allBytes is more than a VE's log holds.
const allBytes = 256 << 10

// All returns what the log holds for the calling process, oldest first, and leaves it there for
// other readers. In an OpenVZ VE that is the VE's own log.
func All() ([]Record, error) {
	buf := make([]byte, allBytes)
	n, err := unix.Klogctl(syslogReadAll, buf)
	if err != nil {
		return nil, fmt.Errorf("read syslog(2): %w", err)
	}
	return ParseSyslog(buf[:n]), nil
}

// drainSyslog reads what nobody has read yet, and does not wait for more.
func drainSyslog() ([]byte, error) {
	var out []byte
	for {
		n, err := unix.Klogctl(syslogSizeUnread, nil)
		if err != nil {
			return out, fmt.Errorf("ask syslog(2) for its size: %w", err)
		}
		if n == 0 {
			return out, nil
		}
		buf := make([]byte, n)
		if n, err = unix.Klogctl(syslogRead, buf); err != nil {
			return out, fmt.Errorf("read syslog(2): %w", err)
		}
		out = append(out, buf[:n]...)
	}
}
