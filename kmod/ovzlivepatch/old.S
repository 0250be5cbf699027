/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way into the functions that the livepatch replaces.
 *
 * Their first instruction (behind endbr64) is the call of ftrace, by which the
 * livepatch takes their place. Who comes in behind that call gets the old body.
 * The way in must be a direct jump: IBT refuses an indirect one that does not
 * lead to an endbr64, and a direct one needs no retpoline either. A jump, not a
 * call: call depth tracking would change a call, and a task that sleeps in the
 * old body shall not stand here.
 *
 * The kernel exports none of these names. It resolves them in the way that
 * is there for livepatches, Documentation/livepatch/module-elf-format.rst: the
 * symbols are called .klp.sym.OBJECT.NAME,POSITION, and the relocation sections
 * .klp.rela.OBJECT.SECTION. That they are such is marked in the linked module.
 *
 * The sections' names do not begin with .text or .rodata: since Linux 6.19 the
 * linker puts all of those into one.
 */

#include <linux/linkage.h>
#include "old.h"

	.section .ovz.klp.rela.vmlinux.old, "ax"
SYM_FUNC_START(ovz_old_path_umount)
	jmp	".klp.sym.vmlinux.path_umount,0" + OVZ_ENTRY
SYM_FUNC_END(ovz_old_path_umount)

SYM_FUNC_START(ovz_old_security_sb_umount)
	jmp	".klp.sym.vmlinux.security_sb_umount,0" + OVZ_ENTRY
SYM_FUNC_END(ovz_old_security_sb_umount)

	.section .ovz.klp.rela.vmlinux.notes, "a"
	.balign	8
SYM_DATA_START(ovz_notes)
	.quad	".klp.sym.vmlinux.__start_notes,0"
	.quad	".klp.sym.vmlinux.__stop_notes,0"
SYM_DATA_END(ovz_notes)
