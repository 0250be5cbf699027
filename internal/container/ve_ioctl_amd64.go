// SPDX-License-Identifier: GPL-2.0-only

package container

// sysSetluid is OpenVZ's own call on 2.6.18.
const sysSetluid = 501
