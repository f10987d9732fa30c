# mlpipe: mailing lists as Unix pipes. On a fresh Debian 12, as root or with sudo:
#
#   make demo      the main job on one screen: 10,000 subscribers, a post, a bounce
#                  (VIA=smtp://host:25 TO=file: through a relay of yours, to people of yours)
#   make check     install what is needed, build, run every test that needs no mail server
#   make           build the programs into build/bin
#   make install   programs and man pages below PREFIX (/usr/local), for packagers below DESTDIR;
#                  as root also the user mlpipe and its home /var/lib/mlpipe
#   make deb       the Debian package, in build
#   make uninstall programs and man pages; the user and the home stay
#   make lint      clang-tidy, clang-format, rooms, man pages against --help, mandoc, shellcheck
#   make asan      the tests under AddressSanitizer and UBSan
#   make fuzz      each parser of foreign octets for FUZZ_SECONDS (60); one alone: make fuzz-NAME
#   make bench     what it reaches beside its peers: ratios, side by side, with their targets
#   make check-mta lists under throwaway Postfix, Exim, OpenSMTPD and Sendmail on loopback
#   make check-corpus CORPUS=DIR   ml-bounce against bounces with known answers
#   make deps      only install what building needs
#   make clean     remove build
#
# BUILD= names another build directory; builds in two of them do not meet. STATIC= links the
# programs dynamically. V=1 shows the commands.

BUILD ?= build
PREFIX ?= /usr/local
CXX ?= g++
CLANG_TIDY ?= clang-tidy-19
CLANG_FORMAT ?= clang-format-19
FUZZ_CXX ?= clang++-19
FUZZ_SECONDS ?= 60

# Where another make calls this one, the jobs are its to share out.
MAKEFLAGS += --no-builtin-rules $(if $(filter 0,$(MAKELEVEL)),-j$(shell nproc))
export BUILD SAN

CXXFLAGS ?= $(if $(SAN),-O1 -g1,-O2 -g)  # with sanitizers -O2 takes twice the time to compile
LANGUAGE = -std=c++23 -Ilib -Itests
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor \
           -Wold-style-cast -Wimplicit-fallthrough -Werror
# A mail server starts a filter for each message, and the dynamic linker is half of what that
# costs: 1.5 ms of CPU instead of 0.8. What glibc cannot do without loading modules is looking up
# names, which c-ares does for us, and OpenSSL's own modules, which tls.cpp says are not there; iconv
# loads the rarer charsets from libc6, and leaves undecoded what it cannot.
# c-ares and OpenSSL have functions that ask glibc for names; none of them is called, and no file of
# ours includes <netdb.h> (scripts/check-rooms).
NAMES_OF_GLIBC = getaddrinfo freeaddrinfo getnameinfo gethostbyname getservbyname getservbyport_r
STATIC ?= -static -Wl,--fatal-warnings -Wl,--wrap=dlopen $(NAMES_OF_GLIBC:%=-Wl,--defsym=%=abort)
ifdef SAN
STATIC =
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# What g++ 12 warns of behind the sanitizers' own code is often false; the plain build decides.
WARNINGS += -Wno-error
endif
COMPILE := $(CXX) $(LANGUAGE) $(WARNINGS) -ffunction-sections -fdata-sections $(SANITIZE) $(CXXFLAGS)
LINK := $(CXX) -Wl,--gc-sections -Wl,--as-needed $(SANITIZE) $(LDFLAGS)
LDLIBS = -lsodium -llmdb -lidn2 -lunistring -lcsv -lmimetic -lssl -lcrypto -lcares

LIB_SOURCES := $(wildcard lib/*/*.cpp)
CMD_SOURCES := $(wildcard cmd/ml-*.cpp)
TEST_SOURCES := $(wildcard tests/lib/*.cpp tests/lib/*/*.cpp)
TOOL_SOURCES := $(wildcard tests/tools/*.cpp)
FUZZ_SOURCES := $(wildcard tests/fuzz/*.cpp)
MAN_PAGES := $(wildcard man/*.[1-8])

OBJECTS := $(LIB_SOURCES:%.cpp=$(BUILD)/%.o) $(CMD_SOURCES:%.cpp=$(BUILD)/%.o) \
           $(TEST_SOURCES:%.cpp=$(BUILD)/%.o) $(TOOL_SOURCES:%.cpp=$(BUILD)/%.o)
LIBRARY := $(BUILD)/libmlpipe.a
COMMANDS := $(CMD_SOURCES:cmd/%.cpp=$(BUILD)/bin/%)
TEST_TOOLS := $(TOOL_SOURCES:tests/tools/%.cpp=$(BUILD)/tests/bin/%)

.PHONY: all
all: $(COMMANDS)

# $(call quiet,WHAT): in front of a command, says WHAT and the target in place of the command.
quiet = $(if $(V),,@printf '  %-5s %s\n' '$1' '$@';)

# --- compiling and linking -----------------------------------------------------------------

# Other flags make other objects: this file changes when they do, not when the Makefile does.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(filter-out ccache,$(COMPILE))' | cmp -s - $@ || \
	 echo '$(filter-out ccache,$(COMPILE))' >$@

$(BUILD)/%.o: %.cpp $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,C++)$(COMPILE) -MMD -MP -c -o $@ $<

-include $(OBJECTS:.o=.d)

$(LIBRARY): $(LIB_SOURCES:%.cpp=$(BUILD)/%.o)
	@rm -f $@
	$(call quiet,AR)$(AR) rcs $@ $^

$(BUILD)/bin/%: $(BUILD)/cmd/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(call quiet,LINK)$(LINK) $(STATIC) -o $@ $^ $(LDLIBS)

$(BUILD)/tests/bin/%: $(BUILD)/tests/tools/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(call quiet,LINK)$(LINK) -o $@ $^ $(LDLIBS)

$(BUILD)/tests/lib-tests: $(TEST_SOURCES:%.cpp=$(BUILD)/%.o) $(LIBRARY)
	@mkdir -p $(@D)
	$(call quiet,LINK)$(LINK) -o $@ $^ $(LDLIBS)

.SECONDARY:
.PHONY: FORCE
FORCE:

# --- what is needed ------------------------------------------------------------------------

BUILD_PACKAGES = g++ make libcli11-dev libtomlplusplus-dev libfmt-dev libsodium-dev liblmdb-dev \
                 libidn2-dev libunistring-dev libcsv-dev libmimetic-dev libssl-dev libc-ares-dev
TEST_PACKAGES = catch2 bats mandoc openssl python3-dkim strace
CLANG_PACKAGES = clang-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev
LINT_PACKAGES = $(CLANG_PACKAGES) mandoc shellcheck
MTA_PACKAGES = postfix
PEER_PACKAGES = mlmmj mailman3

.PHONY: deps test-deps lint-deps fuzz-deps mta-deps
deps:
	@scripts/install-packages $(BUILD_PACKAGES)
test-deps:
	@scripts/install-packages $(BUILD_PACKAGES) $(TEST_PACKAGES)
lint-deps:
	@scripts/install-packages $(BUILD_PACKAGES) $(TEST_PACKAGES) $(LINT_PACKAGES)
fuzz-deps:
	@scripts/install-packages $(BUILD_PACKAGES) $(CLANG_PACKAGES)
mta-deps:
	@scripts/install-packages $(BUILD_PACKAGES) $(TEST_PACKAGES) $(MTA_PACKAGES)

# --- testing -------------------------------------------------------------------------------

.PHONY: check test test-programs asan demo check-mta
check: test-deps
	@$(MAKE) --no-print-directory test

test-programs: $(BUILD)/tests/lib-tests $(TEST_TOOLS)
test: all test-programs
	@tests/run

asan: test-deps
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SAN=1 test

demo: deps
	@$(MAKE) --no-print-directory demo-programs
	@VIA='$(VIA)' TO='$(TO)' scripts/demo
.PHONY: demo-programs
demo-programs: all $(TEST_TOOLS)

check-mta: mta-deps
	@$(MAKE) --no-print-directory demo-programs
	@tests/mta/run

# Each beside its peers, in turn, in one run; ratios with their targets, kept in build/bench.
BENCHES := $(wildcard scripts/bench-*)
.PHONY: bench
bench: mta-deps
	@scripts/install-packages $(PEER_PACKAGES)
	@$(MAKE) --no-print-directory demo-programs
	@for bench in $(BENCHES); do echo "=== $$bench"; $$bench; done 2>&1 | tee $(BUILD)/bench

# CORPUS: see tests/bounce-corpus.
.PHONY: check-corpus
check-corpus: $(BUILD)/bin/ml-bounce
	@tests/bounce-corpus $(if $(SHOW),--show) $(CORPUS)

# --- fuzzing: the library again, by clang with coverage -------------------------------------

FUZZ_SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all
# clang holds against us what libstdc++ 12 does inside stable_sort.
FUZZ_COMPILE = $(FUZZ_CXX) $(LANGUAGE) $(WARNINGS) -Wno-deprecated-declarations -O1 -g $(FUZZ_SANITIZE) \
               -fsanitize=fuzzer-no-link
FUZZ_OBJECTS := $(LIB_SOURCES:%.cpp=$(BUILD)/fuzz/%.o) $(FUZZ_SOURCES:%.cpp=$(BUILD)/fuzz/%.o)
FUZZERS := $(FUZZ_SOURCES:tests/fuzz/%.cpp=%)

.PHONY: fuzz fuzzers $(FUZZERS:%=fuzz-%)
fuzz: fuzz-deps
	@$(MAKE) --no-print-directory $(FUZZERS:%=fuzz-%)
	@echo '$(words $(FUZZERS)) parsers took everything for $(FUZZ_SECONDS) s each'
fuzzers: $(FUZZERS:%=$(BUILD)/fuzz/bin/%)

$(FUZZERS:%=fuzz-%): fuzz-%: $(BUILD)/fuzz/bin/%
	@scripts/fuzz $(BUILD)/fuzz $* $(FUZZ_SECONDS)

$(BUILD)/fuzz/%.o: %.cpp
	@mkdir -p $(@D)
	$(call quiet,CLANG)$(FUZZ_COMPILE) -MMD -MP -c -o $@ $<
-include $(FUZZ_OBJECTS:.o=.d)

$(BUILD)/fuzz/libmlpipe.a: $(LIB_SOURCES:%.cpp=$(BUILD)/fuzz/%.o)
	@rm -f $@
	$(call quiet,AR)$(AR) rcs $@ $^

$(BUILD)/fuzz/bin/%: $(BUILD)/fuzz/tests/fuzz/%.o $(BUILD)/fuzz/libmlpipe.a
	@mkdir -p $(@D)
	$(call quiet,LINK)$(FUZZ_CXX) $(FUZZ_SANITIZE) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

# --- linting: everything found is an error --------------------------------------------------

# The tests in tests/lib are left out: what Catch2's macros expand to is not ours.
TIDIED := $(LIB_SOURCES) $(CMD_SOURCES) $(TOOL_SOURCES)

.PHONY: lint lint-text
lint: lint-deps
	@$(MAKE) --no-print-directory all lint-text $(TIDIED:%.cpp=$(BUILD)/tidy/%)
	@scripts/check-man $(BUILD)/bin
	@echo 'nothing to complain about'

lint-text:
	@$(CLANG_FORMAT) --dry-run -Werror $(wildcard lib/*/*.[ch]pp cmd/*.cpp tests/*.hpp tests/*/*.[ch]pp)
	@mandoc -T lint -W warning $(MAN_PAGES)
	@shellcheck $$(grep -lE '^#!/bin/(ba)?sh' -s -d skip scripts/* debian/* tests/run tests/examples tests/mta/* .ci/run)
	@scripts/check-rooms
	@scripts/check-names
	@scripts/check-columns
	@scripts/check-doubled-words
	@scripts/check-tests
	@scripts/check-paths

# Behind its object, so that a changed header brings back exactly the files that include it.
$(BUILD)/tidy/%: $(BUILD)/%.o .clang-tidy
	@mkdir -p $(@D)
	$(call quiet,TIDY)$(CLANG_TIDY) --quiet $*.cpp -- $(LANGUAGE) 2>/dev/null
	@touch $@

# --- installing ----------------------------------------------------------------------------

bindir = $(DESTDIR)$(PREFIX)/bin
mandir = $(DESTDIR)$(PREFIX)/share/man
unitdir = $(DESTDIR)$(PREFIX)/lib/systemd/system
tmpfilesdir = $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
UNITS := $(wildcard scripts/systemd/*.*)

.PHONY: install uninstall clean help
install: all
	install -d $(bindir)
	install -m 755 -s $(COMMANDS) $(bindir)
	@for page in $(MAN_PAGES); do \
	  install -D -v -m 644 $$page $(mandir)/man$${page##*.}/$${page#man/} || exit; done
	install -d $(unitdir) $(tmpfilesdir)
	@for unit in $(filter-out %.conf,$(UNITS)); do \
	  sed 's|/usr/bin/ml-|$(PREFIX)/bin/ml-|g' $$unit >$(unitdir)/$${unit##*/} || exit; done
	install -m 644 $(filter %.conf,$(UNITS)) $(tmpfilesdir)
ifndef DESTDIR
	@scripts/make-user
endif

.PHONY: deb
deb: deps
	@scripts/install-packages dpkg-dev
	@debian/rules BUILD='$(BUILD)' PACKAGES_DIR='$(BUILD)' binary

uninstall:
	rm -f $(COMMANDS:$(BUILD)/bin/%=$(bindir)/%)
	@for page in $(MAN_PAGES); do rm -fv $(mandir)/man$${page##*.}/$${page#man/}; done
	rm -f $(UNITS:scripts/systemd/%=$(unitdir)/%) $(tmpfilesdir)/mlpipe.conf

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^#   //p' Makefile
