# SPDX-License-Identifier: Apache-2.0
#
#   make demo      the main job on Debian's own kernel source: build with and without the patch, prove both
#   make test      all tests, real rpmbuild and real guests included
#   make short     the quick tests, seconds
#   make test-systems SUITE=trixie   demo and tests on another Debian, in a bare root; needs root
#   make bench     the figures, as ratios to a named other
#   make bench-against REV=COMMIT   the same ways with an older commit, side by side; three cold builds of each
#   make mutants   of the tests: wrong ports by rule, all in one kernel, each booted: who passes for protected
#                  (MUTANTS=REGEX: those whose names match)
#   make lint      what golangci-lint finds, by .golangci.yml; the first run builds it, in some minutes
#   make install   the program, what its guests need, man pages and completions, below PREFIX
#   make uninstall takes that away again
#   make deps      what Debian packages all of that needs (done by demo and test)
#
# A step is one short line; V=1 shows the commands.

ifneq ($(V),1)
.SILENT:
endif
step = printf '  %-8s %s\n' '$(1)' '$(or $(2),$@)'

PREFIX ?= /usr/local
GO     ?= go
# The guest programs are static and small: they are a guest's whole user space.
GUEST  := CGO_ENABLED=0 GOOS=linux
# What a guest is made of; the -old ones are for kernels before 2.6.27.
PROGRAMS := $(foreach a,amd64 386,$(addprefix $(a)/,umounttest uroot.cpio umounttest-old uroot-old.cpio))

# What the demo boots is made of.
DEMO := amd64/umounttest amd64/uroot.cpio 386/umounttest

# Debian's own kernel source: 6.1 on Debian 12, 6.12 on 13. Where there is none yet it comes
# with the package that `make deps` installs. ovzpatch takes the same one.
SOURCE = $(lastword $(shell ls -v /usr/src/linux-source-*.tar.* 2>/dev/null))

# What a shell in the guest has; umount is what people type.
UROOT_COMMANDS := cat chroot cp dmesg echo find grep gosh head id insmod kill ln ls lsmod mkdir mount mv ps pwd rm rmmod sleep sync tail umount uname unshare

PACKAGES := bc binutils bison bzip2 ccache chromium-headless-shell cpio createrepo-c distcc dnf dnf-plugins-core dosfstools e2fsprogs fdisk file flex gcc gnupg gnupg1 gpgv kmod libc6-dev libelf-dev \
	libsolv-tools libssl-dev lz4 lzop $(if $(SOURCE),,linux-source) make ovmf patch perl python3-junitparser python3-tap qemu-system-x86 rpm sccache systemd tar xz-utils zstd

.PHONY: all guest deps demo test short lint test-systems bench bench-against mutants install uninstall clean
all: bin/ovzpatch guest

# go build knows itself what is up to date, so it is asked every time.
.PHONY: FORCE
bin/ovzpatch: FORCE
	$(call step,GO)
	$(GO) build -trimpath -o $@ ./cmd/ovzpatch

guest: $(addprefix bin/guest/,$(PROGRAMS))

bin/guest/%/umounttest: FORCE
	$(call step,GO)
	$(GUEST) GOARCH=$* $(GO) build -trimpath -ldflags '-s -w' -o $@ ./cmd/umounttest

# Go's runtime wants 2.6.32 at least. For 2.6.18 a few of its calls are changed by an
# overlay, which is derived from the toolchain at hand; see internal/gooverlay. (The
# underscore keeps its Go files out of ./...)
bin/_overlay/overlay.json: FORCE
	$(call step,OVERLAY)
	$(GO) run ./internal/gooverlay/cmd -o $(@D)

bin/guest/%/umounttest-old: bin/_overlay/overlay.json
	$(call step,GO)
	$(GUEST) GOARCH=$* $(GO) build -overlay $< -trimpath -ldflags '-s -w' -o $@ ./cmd/umounttest

# With -trimpath, as the other programs, so that Go's library is compiled once for them. u-root then has to be told where Go is.
bin/u-root: go.mod
	$(call step,GO)
	$(GO) build -trimpath -o $@ github.com/u-root/u-root

# At a prompt u-root's gosh takes `exit 7` for a command that failed, and goes on; and it dies of the
# Ctrl-C that ends a command. So its interpreter is built from a changed copy: an exit ends the program,
# and Ctrl-C ends what runs, with the rest of the line: gosh asks Exited behind each command of one. Whichever
# hears of the Ctrl-C first, the command (it ends with 130) or the shell.
# Its line editor takes the terminal from all commands, too: they would read keys that are not shown, without Enter and
# Ctrl-D. In its copy it takes the terminal for each line, and returns it.
# u-root finds the copies by the go.mod of the directory it runs in.
bin/_gosh/go.mod: go.mod go.sum Makefile
	$(call step,SHELL,$(@D))
	rm -rf $(@D) && mkdir -p $(@D)
	$(GO) mod download mvdan.cc/sh/v3 github.com/peterh/liner
	cp -R "$$($(GO) list -m -f '{{.Dir}}' mvdan.cc/sh/v3)" $(@D)/sh
	cp -R "$$($(GO) list -m -f '{{.Dir}}' github.com/peterh/liner)" $(@D)/liner
	chmod -R u+w $(@D)/sh $(@D)/liner
	sed -i -e '/^func (r \*Runner) Run(/,/^}/{s/^\treturn r\.err$$/\tif r.shellExited {\n\t\tos.Exit(int(r.exit))\n\t}\n\tr.interrupted = ctx.Err() != nil || r.exit == 130\n&/;s/^\tr\.shellExited = false$$/&\n\tr.interrupted = false/;s/^\tif !r\.didReset {$$/\tctx, stop := signal.NotifyContext(ctx, os.Interrupt)\n\tdefer stop()\n&/}' \
		-e '/^func New(/s/$$/\n\tsignal.Notify(make(chan os.Signal, 1), os.Interrupt)/' -e 's/^\t"os"$$/&\n\t"os\/signal"/' \
		-e 's/^\tshellExited .*bool.*/&\n\tinterrupted bool/;s/^\treturn r\.shellExited$$/& || r.interrupted/' $(@D)/sh/interp/api.go
	for text in 'os.Exit(int(r.exit))' 'NotifyContext(ctx, os.Interrupt)' 'signal.Notify(make' 'r.exit == 130' 'r.interrupted = false' 'interrupted bool' '|| r.interrupted'; do grep -qF "$$text" $(@D)/sh/interp/api.go || exit 1; done
	sed -i -e '/^\t\tmode := s\.origMode$$/,/^\t\tmode\.ApplyMode()$$/d' \
		-e 's/^\t\t\tmode\.Lflag &^= isig$$/\t\t\tmode.Iflag \&^= icrnl | inpck | istrip | ixon\n\t\t\tmode.Lflag \&^= isig | syscall.ECHO | icanon | iexten\n\t\t\tmode.Cc[syscall.VMIN], mode.Cc[syscall.VTIME] = 1, 0/' $(@D)/liner/input.go
	[ "$$(grep -c 'icrnl | inpck' $(@D)/liner/input.go) $$(grep -c 'isig | syscall.ECHO' $(@D)/liner/input.go)" = '1 1' ]
	cp go.sum $(@D)/
	{ cat go.mod; echo 'replace mvdan.cc/sh/v3 => ./sh'; echo 'replace github.com/peterh/liner => ./liner'; } >$@.tmp && mv $@.tmp $@

define uroot
	$(call step,UROOT)
	mkdir -p $(@D)
	cd bin/_gosh && GOROOT="$$($(GO) env GOROOT)" $(GUEST) GOARCH=$* $(1) $(CURDIR)/bin/u-root -build=bb -format=cpio -go-build-tags=goshliner -initcmd= -uinitcmd= -defaultsh=gosh -o $(CURDIR)/$@.tmp \
		$(addprefix github.com/u-root/u-root/cmds/core/,$(UROOT_COMMANDS)) >$(CURDIR)/$@.log 2>&1 || { cat $(CURDIR)/$@.log; exit 1; }
	mv $@.tmp $@ && rm $@.log
endef

bin/guest/%/uroot.cpio: bin/_gosh/go.mod | bin/u-root
	$(call uroot)

bin/guest/%/uroot-old.cpio: bin/_gosh/go.mod | bin/u-root bin/_overlay/overlay.json
	$(call uroot,GOFLAGS=-overlay=$(CURDIR)/bin/_overlay/overlay.json)

deps:
	@missing=$$(for p in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" != 0 ]; then echo "as root: apt-get install" $$missing >&2; exit 1; fi; \
		echo "installing:" $$missing; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

demo: deps bin/ovzpatch $(addprefix bin/guest/,$(DEMO))
	bin/ovzpatch run

# The kernel that the tests of internal/qemu and internal/initramfs boot.
bin/test/bzImage: bin/ovzpatch guest
	mkdir -p $(@D)
	$(call step,KERNEL)
	bin/ovzpatch build $(SOURCE) -o bin/test
	cd bin/test && rpm2cpio kernel-ovz-[0-9]*.x86_64.rpm | cpio -i --quiet --to-stdout './boot/vmlinuz-*' > bzImage.tmp && mv bzImage.tmp bzImage

# The packages that are unpacked for the tests. What was unpacked is made anew when its list changes.
LIST_systemd-boot := systemd-boot systemd-boot-efi libsystemd-shared
LIST_zypper := zypper
LIST_shim := shim-signed shim-helpers-amd64-signed grub-efi-amd64-signed mokutil
LIST_slurm := slurmctld slurmd slurm-client munge
bin/test/%.list: FORCE
	mkdir -p $(@D)
	echo '$(LIST_$*)' | cmp -s - $@ || echo '$(LIST_$*)' >$@

# The boot loader of the guest with a disk. Its package is unpacked and not installed: on a
# machine with an EFI system partition that would make it the boot loader. Debian 13 has bootctl in a package of its own.
bin/test/systemd-boot: bin/test/systemd-boot.list
	$(call step,UNPACK)
	rm -rf $@ $@.tmp && mkdir -p $@.tmp/deb
	cd $@.tmp/deb && apt-get download -qq -o APT::Sandbox::User=root $(LIST_systemd-boot) \
		$$(apt-cache pkgnames systemd-boot-tools | grep -x systemd-boot-tools)
	for deb in $@.tmp/deb/*.deb; do dpkg-deb -x $$deb $@.tmp || exit 1; done
	rm -rf $@.tmp/deb && mv $@.tmp $@

# Debian's dnf-plugins-core and zypper cannot be installed together, so zypper is unpacked too,
# with those of its libraries that are not here. It looks for repo2solv in /usr/bin only: libsolv-tools is installed.
bin/test/zypper: bin/test/zypper.list
	$(call step,UNPACK)
	rm -rf $@ $@.tmp && mkdir -p $@.tmp/deb
	cd $@.tmp/deb && apt-get download -qq -o APT::Sandbox::User=root \
		$$(apt-get install -s --no-install-recommends $(LIST_zypper) | awk '$$1 == "Inst" {print $$2}' | grep . || echo $(LIST_zypper))
	for deb in $@.tmp/deb/*.deb; do dpkg-deb -x $$deb $@.tmp || exit 1; done
	rm -rf $@.tmp/deb && mv $@.tmp $@

# The way of Secure Boot: what firmware starts, as Microsoft and Debian signed it, and who asks it to trust a key. Unpacked:
# installed, they would make themselves this machine's boot loader.
bin/test/shim: bin/test/shim.list
	$(call step,UNPACK)
	rm -rf $@ $@.tmp && mkdir -p $@.tmp/deb
	cd $@.tmp/deb && apt-get download -qq -o APT::Sandbox::User=root \
		$$({ apt-get install -s --no-install-recommends mokutil | awk '$$1 == "Inst" {print $$2}'; \
			echo $(LIST_shim) | tr ' ' '\n'; } | sort -u)
	for deb in $@.tmp/deb/*.deb; do dpkg-deb -x $$deb $@.tmp || exit 1; done
	rm -rf $@.tmp/deb && mv $@.tmp $@

# A Slurm cluster for the tests, with those of its libraries that are not here. Unpacked: the packages would start daemons.
bin/test/slurm: bin/test/slurm.list
	$(call step,UNPACK)
	rm -rf $@ $@.tmp && mkdir -p $@.tmp/deb
	cd $@.tmp/deb && apt-get download -qq -o APT::Sandbox::User=root \
		$$({ apt-get install -s --no-install-recommends $(LIST_slurm) | awk '$$1 == "Inst" {print $$2}'; \
			echo $(LIST_slurm) slurm-wlm-basic-plugins libmunge2 | tr ' ' '\n'; } | sort -u)
	for deb in $@.tmp/deb/*.deb; do dpkg-deb -x $$deb $@.tmp || exit 1; done
	rm -rf $@.tmp/deb && mv $@.tmp $@

# Debian's stock kernel for the cloud, its smallest, with its headers: the livepatch is tried on
# it. Unpacked and not installed, as a machine may have no room for another kernel in /boot.
bin/test/debian:
	rm -rf $@ $@.tmp && mkdir -p $@.tmp/deb
	depends() { apt-cache depends -i "$$1" | sed -n 's/^[ |]*Depends: //p'; }; \
	image=$$(depends linux-image-cloud-amd64) && headers=$$(depends linux-headers-cloud-amd64) && \
	cd $@.tmp/deb && apt-get download -qq -o APT::Sandbox::User=root $$image $$headers \
		$$(depends $$headers | grep -E '^linux-(headers-.*-common|kbuild-.*)$$')
	for deb in $@.tmp/deb/*.deb; do dpkg-deb -x $$deb $@.tmp || exit 1; done
	if [ ! -d $@.tmp/lib ]; then ln -s usr/lib $@.tmp/lib; fi
	sed -i 's|^include /usr/src|include $(CURDIR)/$@/usr/src|' $@.tmp/usr/src/*/Makefile
	for m in $@.tmp/lib/modules/*; do \
		ln -sfn $(CURDIR)/$@/usr/src/linux-headers-$${m##*/} $$m/build && depmod -b $@.tmp $${m##*/} || exit 1; done
	rm -rf $@.tmp/deb && mv $@.tmp $@

# The race detector lets every program sleep for a second before it ends, and the tests start thousands.
test short: export GORACE = atexit_sleep_ms=0

# Of the mutants, those whose names match are booted.
MUTANTS = .

# How long the tests of a package may take. A test that waits for ever is then told with its stack, before a CI server
# ends the job and tells nothing. A slow machine needs more: make test LIMIT=3h.
LIMIT = 60m

# What boots takes both cores: these packages are tested one after the other, behind the rest.
BOOTING := cmd/ovzpatch internal/initramfs internal/qemu
# Mutants and hooks (those of internal/gate) are text, hundreds of them; crashes are thousands of starts of one program. They
# take three to five times as long under the race detector: with it only the quick choice.
QUIET    = $(filter-out $(addprefix %/,$(BOOTING) internal/gate),$(shell $(GO) list ./...))
MANY    := -run '^(TestMutants.*|TestFaultyDisk|Test.*KilledAtEverySystemCall)$$'
MANY_IN := ./internal/datastore ./cmd/ovzpatch
test: deps all bin/test/bzImage bin/test/systemd-boot bin/test/zypper bin/test/debian bin/test/shim bin/test/slurm
	$(call step,VET,./...)
	$(GO) vet ./...
	$(call step,TEST,./...)
	failed=; \
	$(GO) test -race -p 2 -timeout $(LIMIT) $(MANY:-run=-skip) $(QUIET) || failed=1; \
	$(GO) test -timeout $(LIMIT) ./internal/gate || failed=1; \
	$(GO) test -p 2 -timeout $(LIMIT) $(MANY) $(MANY_IN) || failed=1; \
	$(GO) test -race -short -timeout $(LIMIT) ./internal/gate || failed=1; \
	$(GO) test -race -short -p 2 -timeout $(LIMIT) $(MANY) $(MANY_IN) || failed=1; \
	OVZPATCH_TEST_KERNEL=$(CURDIR)/bin/test/bzImage OVZPATCH_TEST_MUTANTS='$(MUTANTS)' \
		$(GO) test -race -p 1 -timeout $(LIMIT) $(MANY:-run=-skip) $(addprefix ./,$(BOOTING)) || failed=1; \
	[ -z "$$failed" ]

bench: deps all bin/test/debian
	$(GO) test ./cmd/ovzpatch -run '^$$' -bench . -benchtime 1x -timeout 80m
	$(GO) test ./internal/patch ./internal/rpmfile ./internal/srpm ./internal/runlock ./internal/datastore ./internal/publish -p 1 -run '^$$' -bench . -timeout 80m

bench-against: deps
	OVZPATCH_BENCH_REV=$(REV) $(GO) test ./cmd/ovzpatch -run '^$$' -bench '^BenchmarkAgainst$$' -benchtime 1x -timeout 3h

test-systems:
	.ci/test-systems $(SUITE)

mutants: deps all
	OVZPATCH_TEST_MUTANTS='$(MUTANTS)' $(GO) test ./cmd/ovzpatch -run '^TestBootedMutants$$' -v -timeout 60m

short:
	$(GO) test -short -race ./...

# Pinned: another version finds other things. Go builds it, from the module proxy.
LINT := bin/lint/v2.15.0/golangci-lint
$(LINT):
	$(call step,GO)
	GOBIN=$(CURDIR)/$(@D) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(notdir $(@D))

lint: $(LINT)
	$(LINT) run --max-issues-per-linter 0 --max-same-issues 0 ./...

# The licence texts of what the programs link, which those licences want handed on.
bin/THIRD-PARTY: go.mod Makefile
	$(call step,LICENCES)
	$(GO) run ./internal/licences/cmd >$@.tmp
	mv $@.tmp $@

install: all bin/THIRD-PARTY
	$(call step,INSTALL,$(DESTDIR)$(PREFIX))
	install -D -m 0755 bin/ovzpatch $(DESTDIR)$(PREFIX)/bin/ovzpatch
	for f in $(PROGRAMS); do install -D -m 0755 bin/guest/$$f $(DESTDIR)$(PREFIX)/lib/ovzpatch/guest/$$f || exit 1; done
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/ovzpatch bin/THIRD-PARTY LICENSE LICENSES/*.txt
	bin/ovzpatch man $(DESTDIR)$(PREFIX)/share/man/man1
	mkdir -p $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	bin/ovzpatch completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ovzpatch
	bin/ovzpatch completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_ovzpatch
	bin/ovzpatch completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/ovzpatch.fish

# All that install wrote, and the directories that only it uses.
uninstall:
	$(call step,REMOVE,$(DESTDIR)$(PREFIX))
	rm -rf $(DESTDIR)$(PREFIX)/lib/ovzpatch $(DESTDIR)$(PREFIX)/share/doc/ovzpatch
	rm -f $(DESTDIR)$(PREFIX)/bin/ovzpatch $(DESTDIR)$(PREFIX)/share/man/man1/ovzpatch.1 $(DESTDIR)$(PREFIX)/share/man/man1/ovzpatch-*.1
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ovzpatch $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_ovzpatch \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/ovzpatch.fish

clean:
	rm -rf bin
