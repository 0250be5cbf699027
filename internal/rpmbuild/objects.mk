# SPDX-License-Identifier: Apache-2.0
# Names the objects that a configured x86 kernel tree compiles, one in a line; objects.go
# runs it in the tree, with the configuration as conf. Each directory's own makefile is
# read, as Kbuild reads it, and then those of the directories that it names. Of the rules
# in there none is run.
.PHONY: objects
objects:
include $(conf)
srctree := .
objtree := .
src := $(obj)
BITS := $(if $(CONFIG_64BIT),64,32)
SRCARCH := $(if $(wildcard arch/x86/Makefile),x86,$(if $(CONFIG_X86_64),x86_64,i386))
ARCH := $(SRCARCH)

ifeq ($(obj),)
# What the makefiles at the top name. Before 2.6.24 x86 had no Kbuild file of its own.
subdirs := init usr kernel certs mm fs ipc security crypto block io_uring lib drivers sound net virt \
	$(if $(CONFIG_SAMPLES),samples) arch/x86 $(addprefix arch/$(SRCARCH)/, \
		boot boot/compressed realmode/rm lib pci \
		$(if $(filter x86,$(SRCARCH)),,kernel mm crypto $(if $(CONFIG_X86_64),ia32,mach-default)) \
		$(if $(CONFIG_MATH_EMULATION),math-emu) $(if $(CONFIG_OPROFILE),oprofile) \
		$(if $(CONFIG_PM),power) $(if $(CONFIG_FB),video))
else
include $(firstword $(wildcard $(obj)/Kbuild $(obj)/Makefile))
# What is made of other objects is not compiled itself.
made = $(or $(strip $($(1:.o=-objs)) $($(1:.o=-y)) $(2)),$1)
names := $(foreach o,$(filter %.o,$(obj-y) $(lib-y)),$(call made,$o)) \
	$(foreach o,$(filter %.o,$(obj-m) $(lib-m)),$(call made,$o,$($(o:.o=-m))) $(o:.o=.mod.o)) \
	$(extra-y) $(setup-y) $(vmlinux-objs-y:$(obj)/%=%) $(realmode-y) $(vobjs-y) $(vobjs32-y)
$(foreach o,$(sort $(filter %.o,$(names))),$(info $(obj)/$o))
subdirs := $(addprefix $(obj)/,$(patsubst %/,%,$(filter %/,$(obj-y) $(obj-m)) $(subdir-y) $(subdir-m)))
endif

inside := $(addprefix objects-in-,$(patsubst %/,%,$(dir $(wildcard $(addsuffix /Makefile,$(sort $(subdirs)))))))
.PHONY: $(inside)
objects: $(inside) ; @:
$(inside): objects-in-%: ; @$(MAKE) -f $(firstword $(MAKEFILE_LIST)) objects obj=$*
