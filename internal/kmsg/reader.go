// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrLost is what Since gives where the log's ring overwrote records before they were
// read: that a line was not seen then proves nothing.
var ErrLost = errors.New("the kernel log overwrote records before they were read")

// Reader reads what the running kernel logs from Open on.
type Reader struct {
	fd int // of /dev/kmsg, or -1 where syslog(2) is read
}

// Actions of syslog(2); x/sys has no names for them.
const (
	syslogRead       = 2 // and clear what was read
	syslogReadAll    = 3
	syslogSizeUnread = 9
)

// Open gives a Reader positioned after the last record. It reads /dev/kmsg, or, on
// kernels before 3.5, syslog(2), whose records it takes from any other reader.
func Open() (*Reader, error) {
	r := &Reader{fd: -1}
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		// Old kernels open it and then refuse to read or seek.
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

// recordBytes holds the longest record /dev/kmsg gives (CONSOLE_EXT_LOG_MAX).
const recordBytes = 8192

// mark forgets everything before now.
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

// Since gives the records since Open or the last Since, oldest first. With ErrLost the
// records that are left come along.
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

// All gives what the log holds for the calling process, oldest first, and leaves it to
// other readers. In an OpenVZ VE that is the VE's own log.
func All() ([]Record, error) {
	buf := make([]byte, allBytes)
	n, err := unix.Klogctl(syslogReadAll, buf)
	if err != nil {
		return nil, fmt.Errorf("read syslog(2): %w", err)
	}
	return ParseSyslog(buf[:n]), nil
}

// drainSyslog reads what nobody has read yet, without waiting for more.
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
