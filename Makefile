# SPDX-License-Identifier: BSD-2-Clause
#
#   make            build/tprof                     make demo    record a bundled workload
#   make deps       the packages that it needs      make bench   the figures of docs/benchmarks.md
#   make test       deps, build, all tests          make lint    format, static analysis, layers
#   make install    to PREFIX, below DESTDIR        make fuzz    the parsers, FUZZ_SECONDS each
#   make deb        a Debian package                make sbom    what is linked, as SPDX
#   make bench-full all figures: docs/benchmarks.md, README; make bench: the main ones; make bench-unwind: stacks
#
# Variables: BUILD (where to), CC, SAN=address,undefined, PREFIX, DESTDIR, V=1 (show commands),
# TESTS="unit cli tests/live/record.bats" (which tests), ARCH=arm64 (`make bpf` for another machine),
# STATIC_LIBBPF=1 (libbpf within the program).

VERSION := 0.1.0
UNAME_M := $(shell uname -m)
HOST_ARCH := $(if $(filter aarch64 arm64,$(UNAME_M)),arm64,x86)
ARCH    ?= $(HOST_ARCH)

BUILD   ?= build$(if $(filter-out $(HOST_ARCH),$(ARCH)),-$(ARCH))
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/lib/linux-tools/*/bpftool) bpftool)
PREFIX  ?= /usr/local
DESTDIR ?=
V       ?= 0
TESTS   ?=
STATIC_LIBBPF ?= 0
Q       := $(if $(filter 1,$(V)),,@)
say      = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' $(1) $(2))

# As many jobs as CPUs, unless told.
ifeq ($(MAKELEVEL)$(filter -j%,$(shell tr '\0' ' ' < /proc/$$PPID/cmdline)),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-print-directory

CFLAGS   ?= -O2 -g
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
# A root process that reads hostile bytes. (Fortify wants optimization, and not ASan beside it.)
HARDENING := $(if $(SAN)$(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong) -fPIE
HARDENED_LINK := -pie -Wl,-z,relro,-z,now
# The same bytes wherever it is built.
REPRODUCIBLE := -ffile-prefix-map=$(CURDIR)=.
LIBS     := libbpf libelf libdw liblzma sqlite3 zlib libprotobuf-c libcap
# Evaluated late, so that `make deps` runs on a machine without pkg-config.
PKG_CFLAGS = $(shell pkg-config --cflags $(LIBS))
PKG_LIBS   = $(patsubst -lbpf,$(LINK_BPF),$(shell pkg-config --libs $(LIBS))) -ldeflate -liberty -lpthread -lm
LINK_BPF  := $(if $(filter 1,$(STATIC_LIBBPF)),-l:libbpf.a,-lbpf)
USER_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DTPROF_VERSION='"$(VERSION)"' $(WARNINGS) $(CFLAGS) $(SANFLAGS) \
	$(HARDENING) $(REPRODUCIBLE) -Iuser -Ibpf -I$(BUILD) $(PKG_CFLAGS)
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter \
	-D__TARGET_ARCH_$(ARCH) \
	$(REPRODUCIBLE) -fdebug-compilation-dir=. -Ivmlinux/$(ARCH) -Ibpf
DEPFLAGS   := -MMD -MP

# stack, filter, thread first: others refer to what they define, and libbpf 1.1 forgets the offset in BTF of that whose
# definition it links after the first reference.
BPF_FIRST := bpf/stack.bpf.c bpf/filter.bpf.c bpf/thread.bpf.c
BPF_SRCS  := $(BPF_FIRST) $(filter-out $(BPF_FIRST),$(sort $(wildcard bpf/*.bpf.c)))
BPF_OBJS  := $(BPF_SRCS:%.c=$(BUILD)/%.o)
USER_SRCS := $(sort $(wildcard user/*/*.c))
MAIN_SRCS := user/cmd/main.c
LIB_OBJS  := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(MAIN_SRCS),$(USER_SRCS)))
MAIN_OBJS := $(MAIN_SRCS:%.c=$(BUILD)/%.o)
SKEL      := $(BUILD)/tprof.skel.h

.PHONY: all
all: $(BUILD)/tprof

# ── stamps: a changed compiler, flag or list of files rebuilds what depends on it ──────────────

# $(call stamp,FILE,TEXT): FILE holds TEXT and is written only when TEXT changes, when this is read.
# Stripped, because GNU Make 4.3 may leave a long file's last newline in what it reads: it looks for it
# from where its buffer was before that had to grow.
stamp = $(call stamp_of,$(1),$(strip $(2)),$(strip $(file <$(1))))
stamp_of = $(if $(call same,$(2),$(3)),,$(shell mkdir -p $(dir $(1)))$(file >$(1),$(2)))
same = $(and $(findstring $(1),$(2)),$(findstring $(2),$(1)))

$(call stamp,$(BUILD)/.user-flags,$(CC) $(CFLAGS) $(SANFLAGS) $(WARNINGS) $(HARDENING) $(HARDENED_LINK) $(LDFLAGS) $(VERSION))
$(call stamp,$(BUILD)/.bpf-flags,$(CLANG) $(BPF_CFLAGS))
$(call stamp,$(BUILD)/.bpf-list,$(BPF_OBJS))
$(call stamp,$(BUILD)/.lib-list,$(LIB_OBJS))
$(call stamp,$(BUILD)/.link-list,$(LIBS) $(LINK_BPF))

# ── BPF: one object per concern, linked, turned into a skeleton ────────────────────────────────

$(BUILD)/bpf/%.o: bpf/%.c $(BUILD)/.bpf-flags
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(DEPFLAGS) -c $< -o $@

$(BUILD)/tprof.bpf.o: $(BPF_OBJS) $(BUILD)/.bpf-list
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $(BPF_OBJS)

$(SKEL): $(BUILD)/tprof.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name tprof > $@.tmp && mv $@.tmp $@

.PHONY: bpf
bpf: $(BUILD)/tprof.bpf.o

# ── user space ─────────────────────────────────────────────────────────────────────────────────

# Only collect/ may see the skeleton (`make check-layers` holds it to that).
$(patsubst %.c,$(BUILD)/%.o,$(wildcard user/collect/*.c)): | $(SKEL)

$(BUILD)/%.o: %.c $(BUILD)/.user-flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(USER_CFLAGS) $(DEPFLAGS) -c $< -o $@

# The interactive page: its scripts joined in this order, and embedded by page_files.c.
PAGE    := user/render/page
PAGE_JS := $(addprefix $(PAGE)/,data.js tree.js theme.js flame.js table.js timeline.js state.js chrome.js \
	app.js controls.js start.js)
csp_hash = sha256-$$(env printf "$$(sha256sum $(1) | cut -c1-64 | sed 's/../\\x&/g')" | base64)

$(BUILD)/page_hashes.h: $(PAGE_JS) $(PAGE)/flame.css $(PAGE)/flame.html
	$(call say,PAGE,$(PAGE))
	@mkdir -p $(BUILD)/page
	$(Q)cp $(PAGE)/flame.css $(BUILD)/page/style.css
	$(Q)cp $(PAGE)/flame.html $(BUILD)/page/body.html
	$(Q)(echo "'use strict';"; cat $(PAGE_JS)) > $(BUILD)/page/script.js
	$(Q)printf '#define PAGE_%s_HASH "%s"\n' STYLE "$(call csp_hash,$(BUILD)/page/style.css)" \
		SCRIPT "$(call csp_hash,$(BUILD)/page/script.js)" > $@
$(BUILD)/user/render/page_files.o: $(BUILD)/page_hashes.h
$(BUILD)/user/render/page_files.o: CFLAGS += -DPAGE_DIR='"$(BUILD)/page/"'

# Filters of system calls, made here for the kernel: libseccomp is none of tprof's own libraries.
$(BUILD)/sandbox_filters.h: user/base/filters/sandbox_filters.c
	$(call say,FILTERS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) -o $(BUILD)/sandbox_filters $< $$(pkg-config --cflags --libs libseccomp)
	$(Q)$(BUILD)/sandbox_filters > $@.tmp && mv $@.tmp $@
$(BUILD)/user/base/sandbox.o: $(BUILD)/sandbox_filters.h

# pprof's message, as C. What protoc-c writes is held to its own standards, not to ours.
$(BUILD)/pprof.pb-c.h: user/render/pprof.proto
	$(call say,PROTOC,$<)
	@mkdir -p $(@D)
	$(Q)protoc-c --proto_path=$(<D) --c_out=$(BUILD) $<
$(BUILD)/pprof.pb-c.o: $(BUILD)/pprof.pb-c.h $(BUILD)/.user-flags
	$(call say,CC,$(BUILD)/pprof.pb-c.c)
	$(Q)$(CC) -std=gnu11 $(CFLAGS) $(SANFLAGS) $(HARDENING) $(REPRODUCIBLE) -I$(BUILD) $(PKG_CFLAGS) -c $(BUILD)/pprof.pb-c.c -o $@
$(BUILD)/user/render/pprof.o: $(BUILD)/pprof.pb-c.h
LIB_OBJS += $(BUILD)/pprof.pb-c.o

$(BUILD)/libtprof.a: $(LIB_OBJS) $(BUILD)/.lib-list
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(AR) rcs $@ $(LIB_OBJS)

# tprof.link is what the linker took, file by file: the SBOM is made of it.
$(BUILD)/tprof: $(MAIN_OBJS) $(BUILD)/libtprof.a $(BUILD)/.link-list
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(HARDENED_LINK) $(LDFLAGS) -Wl,--trace,--trace -o $@ \
		$(MAIN_OBJS) $(BUILD)/libtprof.a $(PKG_LIBS) > $@.link

# ── tests: tests/SUITE/NAME_test.c is a cmocka program, tests/SUITE/NAME.bats a script ─────────
# (conventions: tests/README.md)

TEST_SRCS := $(sort $(wildcard tests/*/*_test.c))
TEST_BINS := $(TEST_SRCS:%.c=$(BUILD)/%)
UNIT_BINS := $(filter $(BUILD)/tests/unit/%,$(TEST_BINS))

# The other .c files of a suite are linked into each of its programs.
define test_suite
$(patsubst %.c,$(BUILD)/%,$(filter $(1)%,$(TEST_SRCS))): %: %.o \
		$(patsubst %.c,$(BUILD)/%.o,$(filter-out $(TEST_SRCS),$(wildcard $(1)*.c))) $(BUILD)/libtprof.a
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(SANFLAGS) $$(LDFLAGS) $$(TEST_LDFLAGS) -o $$@ $$^ -lcmocka $$(PKG_LIBS)
endef
$(foreach s,$(sort $(dir $(TEST_SRCS))),$(eval $(call test_suite,$(s))))

$(BUILD)/tests/unit/formats_test.o: $(BUILD)/pprof.pb-c.h

# tests/unit/alloc.c makes these fail on demand.
$(UNIT_BINS): TEST_LDFLAGS = $(foreach f,malloc calloc realloc reallocarray strdup,-Wl,--wrap=$(f))

.PHONY: unit
unit: $(UNIT_BINS)
	$(Q)for t in $(UNIT_BINS); do $$t || exit 1; done

# Recordings written by hand, for the tests of the page and the bench.
$(BUILD)/tests/browser/mkprofile: $(BUILD)/tests/browser/mkprofile.o $(BUILD)/libtprof.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(HARDENED_LINK) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# Names addresses of a file; for the bench.
$(BUILD)/tests/bench/symbolize: $(BUILD)/tests/bench/symbolize.o $(BUILD)/libtprof.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(HARDENED_LINK) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# Programs with a known answer. Flags of its own stand in a comment in the source:
#	/* cflags: -O2 -fomit-frame-pointer */   /* ldflags: -ldl */
# libNAME.c becomes libNAME.so, NAME.cc is C++.
WORKLOAD_CFLAGS := -O1 -g -fno-omit-frame-pointer -Wall -Wextra -Werror -D_GNU_SOURCE
workload_flags = $(shell sed -n 's/.*\<$(1): *\([^*]*\).*/\1/p' $(2))
WORKLOADS := $(patsubst tests/workloads/%.cc,$(BUILD)/workloads/%,$(wildcard tests/workloads/*.cc)) \
	$(patsubst tests/workloads/%.c,$(BUILD)/workloads/%,$(filter-out tests/workloads/lib%,$(wildcard tests/workloads/*.c))) \
	$(patsubst tests/workloads/%.c,$(BUILD)/workloads/%.so,$(wildcard tests/workloads/lib*.c))

.PHONY: workloads
workloads: $(WORKLOADS)

$(BUILD)/workloads/lib%.so: tests/workloads/lib%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(WORKLOAD_CFLAGS) -shared -fPIC $(call workload_flags,cflags,$<) $(DEPFLAGS) -o $@ $< \
		-lpthread $(call workload_flags,ldflags,$<)

$(BUILD)/workloads/%: tests/workloads/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(WORKLOAD_CFLAGS) $(call workload_flags,cflags,$<) $(DEPFLAGS) -o $@ $< \
		-lpthread $(call workload_flags,ldflags,$<)

$(BUILD)/workloads/%: tests/workloads/%.cc
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(WORKLOAD_CFLAGS) $(call workload_flags,cflags,$<) $(DEPFLAGS) -o $@ $< \
		-lpthread $(call workload_flags,ldflags,$<)

# Everything that the tests run. The second build has the sanitizers; a third one the fuzzers.
.PHONY: test-build test check deps demo bench
test-build: all $(TEST_BINS) workloads $(BUILD)/tests/browser/mkprofile
ifeq ($(SAN),)
	$(Q)$(MAKE) BUILD=$(BUILD)-san SAN=address,undefined san-build
	$(Q)$(MAKE) fuzz-build
endif
.PHONY: san-build
san-build: all $(TEST_BINS)

# Set up, build, test: what README tells and .ci/run runs. `check` is the same without setting up.
test:
	$(Q)$(MAKE) deps
	$(Q)$(MAKE) check
check:
	$(Q)$(MAKE) test-build
	$(Q)tests/run --build $(BUILD) $(TESTS)

# Every row of every ELF file of this machine against libdw; what rules they need (docs/unwinding.md).
.PHONY: test-unwind-full survey-unwind verify-unwind
test-unwind-full: $(BUILD)/tests/unwind/cfi_test
	$(Q)UNWIND_FULL=1 CMOCKA_MESSAGE_OUTPUT=TAP $<
$(BUILD)/tests/unwind/tools/%: $(BUILD)/tests/unwind/tools/%.o $(BUILD)/libtprof.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(PKG_LIBS)
$(BUILD)/tests/unwind/tools/record: $(patsubst %.c,$(BUILD)/%.o,$(filter-out %_test.c,$(wildcard tests/unwind/*.c)))
survey-unwind: $(BUILD)/tests/unwind/tools/survey
	$(Q)find /usr/bin /usr/sbin /usr/lib /usr/libexec -xdev -type f -size +1k | $< -
# What the verifiers of Debian's kernels say to the programs, with instruction counts.
verify-unwind: $(BUILD)/tprof.bpf.o
	$(Q)for s in bullseye-security bookworm trixie sid; do \
		tests/kernels/verify_on $(BUILD) $$s waits=1 threads=1 || exit 1; done

# What goes wrong around tprof, with the figures of docs/faults.md; memory that runs out at every place of
# a recording's life (half an hour); a busy server for an hour, or SOAK_SECONDS.
SOAK_SECONDS ?= 3600
.PHONY: faults faults-alloc soak
faults faults-alloc soak: all workloads
faults:
	@rm -f $(BUILD)/faults.txt
	$(Q)FAULTS_FIGURES=$(abspath $(BUILD))/faults.txt tests/run --build $(BUILD) faults
	@cat $(BUILD)/faults.txt
faults-alloc:
	$(Q)tests/faults/alloc_sites $(BUILD) all
soak:
	$(Q)tests/soak/soak $(BUILD) $(SOAK_SECONDS)

# ── fuzzers: tests/fuzz/NAME_fuzz.c (LLVMFuzzerTestOneInput), seeds in tests/fuzz/NAME/ ─────────

FUZZ_SRCS  := $(sort $(wildcard tests/fuzz/*_fuzz.c))
FUZZ_BUILD := $(BUILD)-fuzz
FUZZ_SECONDS ?= 60

.PHONY: fuzz fuzz-build fuzz-bins
fuzz-build:
ifneq ($(FUZZ_SRCS),)
	$(Q)$(MAKE) BUILD=$(FUZZ_BUILD) CC=$(CLANG) SAN=fuzzer-no-link,address,undefined fuzz-bins
endif
fuzz-bins: $(FUZZ_SRCS:%.c=$(BUILD)/%)
$(FUZZ_SRCS:%.c=$(BUILD)/%): %: %.o $(BUILD)/libtprof.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $^ $(PKG_LIBS)
fuzz: fuzz-build
	$(Q)tests/run --build $(BUILD) --fuzz-seconds $(FUZZ_SECONDS) fuzz

# ── packages, demo, figures, lint ──────────────────────────────────────────────────────────────

# a|b: the first that the distribution has; a?: left out where there is none. README says why each.
PKGS_BUILD := gcc libc6-dev make clang llvm bpftool|linux-tools-generic pkg-config|pkgconf libbpf-dev \
	libelf-dev libdw-dev liblzma-dev libsqlite3-dev zlib1g-dev libdeflate-dev libiberty-dev \
	libprotobuf-c-dev protobuf-c-compiler libcap-dev libseccomp-dev
PKGS_TEST  := g++ libcmocka-dev bats libclang-rt-dev? sqlite3 jq python3 procps iproute2 util-linux \
	libcap2-bin strace binutils xz-utils file man-db gdb tmux zsh nodejs chromium? redis-server default-jdk-headless debootstrap golang-go rustc debuginfod lintian
PKGS_LINT  := clang-format clang-tidy cppcheck shellcheck nodejs
PKGS_BENCH := g++ linux-perf|linux-tools-generic bpftrace libbpf-tools? strace binutils python3 util-linux perl openssl \
	nodejs chromium? redis-server postgresql postgresql-contrib default-jdk-headless
# Whose stacks bench-full and bench-unwind look at besides. They are not started by being installed.
PKGS_SERVERS := nginx-light mariadb-server openssh-server git rustc?
PKGS_DEB   := dpkg-dev binutils
# Debian's kernels in virtual machines: part of `make test` on x86-64.
PKGS_KERNELS := g++ qemu-system-x86? busybox-static cpio debian-archive-keyring?

deps:
	$(Q).ci/deps $(foreach p,$(PKGS_BUILD) $(PKGS_TEST) $(PKGS_DEB) $(PKGS_KERNELS),'$(p)')
.PHONY: deps-build deps-lint deps-bench deps-servers deps-kernels
deps-build:
	$(Q).ci/deps $(foreach p,$(PKGS_BUILD),'$(p)')
deps-lint:
	$(Q).ci/deps $(foreach p,$(PKGS_BUILD) $(PKGS_LINT),'$(p)')
deps-bench:
	$(Q)NO_START=1 .ci/deps $(foreach p,$(PKGS_BUILD) $(PKGS_BENCH),'$(p)')
deps-servers:
	$(Q)NO_START=1 .ci/deps $(foreach p,$(PKGS_BENCH) $(PKGS_SERVERS),'$(p)')
deps-kernels:
	$(Q).ci/deps $(foreach p,$(PKGS_BUILD) $(PKGS_KERNELS),'$(p)')

demo:
	$(Q)$(MAKE) deps-build
	$(Q)$(MAKE) all $(BUILD)/workloads/demo
	$(Q)tests/demo $(BUILD)

# README's example, made anew from a real run on a machine that is idle otherwise.
.PHONY: readme
readme:
	$(Q)$(MAKE) demo > $(BUILD)/demo.log
	$(Q).ci/readme-demo $(BUILD)/demo.log

# The walkthroughs' commands run again, their output and pictures written into docs/. Likewise.
.PHONY: walkthroughs
walkthroughs:
	$(Q)$(MAKE) deps
	$(Q)$(MAKE) all workloads
	$(Q)tests/walkthrough $(BUILD) $(wildcard docs/incident-*.md)

# Figures, beside the other tools', on a machine that is idle otherwise: the main rows (or BENCH="trunk.stop jvm"), all
# of them with docs/benchmarks.md and README made anew, stacks alone with docs/unwinding.md. BENCH_FLAGS=--quick: to try.
.PHONY: bench-build bench-full bench-unwind
bench-build:
	$(Q)$(MAKE) deps-bench
	$(Q)$(MAKE) all workloads $(BUILD)/tests/bench/symbolize $(BUILD)/tests/browser/mkprofile
bench: bench-build
	$(Q)tests/bench/run --build $(BUILD) $(BENCH_FLAGS) $(if $(BENCH),$(BENCH),--main)
bench-full: bench-build
	$(Q)$(MAKE) deps-servers
	$(Q)tests/bench/run --build $(BUILD) $(BENCH_FLAGS)
	$(Q)tests/bench/docs $(BUILD)/bench.json
bench-unwind: bench-build
	$(Q)$(MAKE) deps-servers
	$(Q)tests/bench/run --build $(BUILD) $(BENCH_FLAGS) unwind
	$(Q)tests/bench/docs $(BUILD)/bench.json completeness futex unwind_cost written

# Generated and foreign files are not ours to format.
FORMATTED := $(wildcard bpf/*.[ch] user/*/*.[ch] user/*/*/*.[ch] tests/*/*.[ch] tests/workloads/*.cc)
SHELL_FILES := $(filter-out .ci/debian,$(wildcard .ci/*)) $(wildcard tests/run tests/demo tests/*/*.sh tests/*/*.bash tests/kernels/boot tests/kernels/fetch tests/kernels/verify_on tests/setup/bare_root tests/faults/alloc_sites tests/soak/soak)
JS_FILES := $(wildcard user/*/*/*.js tests/*/*.js)

.PHONY: lint lint-format lint-tidy lint-cppcheck lint-shell lint-js lint-files check-layers lint-clang lint-arm64 lint-analyzer
lint:
	$(Q)$(MAKE) deps-lint
	$(Q)$(MAKE) all
	$(Q)$(MAKE) -k lint-format check-layers lint-files lint-shell lint-js lint-cppcheck lint-tidy \
		lint-analyzer lint-clang lint-arm64
.PHONY: format
format:
	$(Q)clang-format -i $(FORMATTED)
lint-format:
	$(call say,FORMAT,"$(words $(FORMATTED)) files")
	$(Q)clang-format --dry-run -Werror $(FORMATTED)
check-layers:
	$(call say,LAYERS,user)
	$(Q).ci/check-layers
lint-files:
	$(call say,FILES,"licence lines and sizes")
	$(Q).ci/check-files
lint-shell:
	$(call say,SHELL,"$(words $(SHELL_FILES)) files")
	$(Q)shellcheck -S warning -e SC2154 $(SHELL_FILES) # SC2154: set by bats
lint-js:
	$(call say,JS,"$(words $(JS_FILES)) files")
	$(Q)for f in $(JS_FILES); do node --check $$f || exit 1; done
lint-cppcheck:
	$(call say,CPPCHECK,user)
	$(Q)cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=missingIncludeSystem --suppress=ctuuninitvar --suppress=normalCheckLevelMaxBranches -D_GNU_SOURCE '-DLIBBPF_OPTS(T,N,...)=struct T N={__VA_ARGS__}' \
		-DTPROF_VERSION='"$(VERSION)"' -Iuser -Ibpf user
TIDY_SRCS := $(USER_SRCS:%=tidy/%)
.PHONY: $(TIDY_SRCS)
lint-tidy: $(TIDY_SRCS)
$(TIDY_SRCS): tidy/%: % $(SKEL)
	$(call say,TIDY,$<)
	$(Q)clang-tidy --quiet $(if $(filter user/collect/programs.c,$<),--checks=-clang-analyzer-unix.Malloc) $< -- $(subst -I$(BUILD),-isystem $(BUILD),$(USER_CFLAGS)) 2>/dev/null
# gcc's analyzer, which takes half a minute: tests/setup/build.bats runs it, too. What gcc 12 says of leaks, and
# of reallocarray as a double free, is wrong wherever an array is grown behind a pointer: LeakSanitizer and
# clang-tidy look for those.
ANALYZED := $(USER_SRCS:%=analyze/%)
.PHONY: $(ANALYZED)
lint-analyzer: $(ANALYZED)
$(ANALYZED): analyze/%: % | $(SKEL) $(BUILD)/page_hashes.h $(BUILD)/sandbox_filters.h $(BUILD)/pprof.pb-c.h
	$(call say,ANALYZE,$<)
	$(Q)gcc $(USER_CFLAGS) $(if $(filter user/render/page_files.c,$<),-DPAGE_DIR='"$(BUILD)/page/"') -fanalyzer \
		-Wno-analyzer-malloc-leak -Wno-analyzer-double-free -c $< -o /dev/null
# The other compiler's warnings, and the other machine's BPF.
lint-clang:
	$(Q)$(MAKE) BUILD=$(BUILD)-clang CC=$(CLANG) all
lint-arm64:
	$(Q)$(MAKE) BUILD=$(BUILD)-arm64 ARCH=arm64 bpf

# Manual pages and completions come from the program's own table of commands and options.
$(BUILD)/man/.done: $(BUILD)/tprof
	$(call say,MAN,$(@D))
	@mkdir -p $(@D)
	$(Q)$< help --man > $(@D)/tprof.1
	$(Q)for c in $$($< help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do \
		$< help --man $$c > $(@D)/tprof-$$c.1 || exit 1; done
	$(Q)$< help --completion bash > $(@D)/tprof.bash
	$(Q)$< help --completion zsh > $(@D)/_tprof
	@touch $@

ZSH_DIR ?= share/zsh/site-functions
.PHONY: install uninstall
install: $(BUILD)/tprof $(BUILD)/man/.done
	install -D -m 755 $(BUILD)/tprof $(DESTDIR)$(PREFIX)/bin/tprof
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(BUILD)/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -D -m 644 $(BUILD)/man/tprof.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/tprof
	install -D -m 644 $(BUILD)/man/_tprof $(DESTDIR)$(PREFIX)/$(ZSH_DIR)/_tprof
	install -d $(DESTDIR)$(PREFIX)/share/doc/tprof/docs
	install -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/tprof/
	install -m 644 docs/* $(DESTDIR)$(PREFIX)/share/doc/tprof/docs/
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/tprof $(DESTDIR)$(PREFIX)/share/man/man1/tprof.1 \
		$(DESTDIR)$(PREFIX)/share/man/man1/tprof-*.1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/tprof \
		$(DESTDIR)$(PREFIX)/$(ZSH_DIR)/_tprof
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/tprof

# The sources as a tar archive, the same bytes for the same commit (or what DIST names).
DIST ?= HEAD
.PHONY: dist deb sbom
dist:
	git archive --format=tar --prefix=tprof-$(VERSION)/ $(DIST) | gzip -9n > $(BUILD)/tprof-$(VERSION).tar.gz

# $(BUILD)/tprof_VERSION_ARCH.deb, dated SOURCE_DATE_EPOCH (else the last commit, or CHANGELOG.md).
deb: $(BUILD)/tprof $(BUILD)/man/.done
	$(Q).ci/deps $(foreach p,$(PKGS_DEB),'$(p)')
	$(Q)rm -rf $(BUILD)/deb
	$(Q)umask 022 && $(MAKE) -s install DESTDIR=$(abspath $(BUILD))/deb/root PREFIX=/usr \
		ZSH_DIR=share/zsh/vendor-completions
	$(call say,DEB,$(BUILD))
	$(Q).ci/deb $(BUILD) $(VERSION)

# SPDX 2.3: tprof and every file that the linker put in or that the loader will look for.
sbom: $(BUILD)/tprof
	$(call say,SBOM,$(BUILD)/tprof.spdx.json)
	$(Q).ci/sbom $(BUILD) $(VERSION) > $(BUILD)/tprof.spdx.json.tmp
	$(Q)mv $(BUILD)/tprof.spdx.json.tmp $(BUILD)/tprof.spdx.json

# One binary on Debian's kernels from 5.10 to the newest (tests/kernels), alone.
.PHONY: test-kernels
test-kernels:
	$(Q)$(MAKE) deps-build deps-kernels
	$(Q)$(MAKE) all workloads
	@mkdir -p $(BUILD)/kernels
	$(Q)TPROF_KERNELS_LOG=$(abspath $(BUILD))/kernels tests/run --build $(BUILD) kernels
	$(Q)tests/kernels/table $(BUILD)/kernels > docs/kernels.md

# Lines of user/ that the tests run (gcov; the live ones included). Takes minutes.
COVERAGE_MIN := 85
.PHONY: coverage
coverage:
	$(Q)$(MAKE) deps
	$(Q)$(MAKE) BUILD=$(BUILD)-cov CFLAGS='-O0 -g --coverage' all workloads $(TEST_BINS:$(BUILD)/%=$(BUILD)-cov/%)
	$(Q)find $(BUILD)-cov -name '*.gcda' -delete
	$(Q)chmod -R a+rwX $(BUILD)-cov # tests run tprof as others, too
	$(Q)umask 0; GCOV_ERROR_FILE=/dev/null tests/run --build $(BUILD)-cov $(or $(TESTS),unit unwind cli live) || true
	$(Q).ci/coverage $(BUILD)-cov $(COVERAGE_MIN)

.PHONY: clean
clean:
	rm -rf $(BUILD) $(BUILD)-san $(BUILD)-fuzz $(BUILD)-clang $(BUILD)-arm64 $(BUILD)-cov

.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
