// SPDX-License-Identifier: Apache-2.0

package container

import "encoding/binary"

// What /dev/vzctl accepts (include/linux/vzcalluser.h of 2.6.18 and 2.6.32).
const (
	vzctlMajor = 126

	veCreate    = 1
	veExclusive = 2
	veEnter     = 4
	veTest      = 8
)

// word is the size of a pointer in bytes: 8 on amd64, 4 on 386.
type word int

// createRequest is VZCTL_ENV_CREATE_DATA, _IOW('.', 10, struct vzctl_env_create_data).
// Never VZCTL_ENV_CREATE: it passes no data, and these kernels oops.
func (w word) createRequest() uintptr {
	return 0x40002e0a | uintptr(w.createSize())<<16
}

func (w word) createSize() int { return 12 + 2*int(w) + (int(w)-4)/4*4 }

// createData encodes struct vzctl_env_create_data: u32 veid, flags and class_id, a
// pointer to the parameters, and their s32 length.
func (w word) createData(veid, flags uint32, data uintptr, length int32) []byte {
	b := make([]byte, w.createSize())
	binary.LittleEndian.PutUint32(b[0:], veid)
	binary.LittleEndian.PutUint32(b[4:], flags)
	at := 12
	if w == 8 {
		at = 16
		binary.LittleEndian.PutUint64(b[at:], uint64(data))
	} else {
		binary.LittleEndian.PutUint32(b[at:], uint32(data))
	}
	binary.LittleEndian.PutUint32(b[at+int(w):], uint32(length))
	return b
}

// createParams is struct env_create_param3: u64 iptables_mask and feature_mask, u32 total_vcpus,
// u64 known_features. Zero means the kernel's defaults.
type createParams [32]byte
