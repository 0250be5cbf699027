// SPDX-License-Identifier: Apache-2.0

package container

// sysSetluid is OpenVZ's own call on 2.6.18.
const sysSetluid = 501
