# mlpipe: mailing lists as Unix pipes.
#
#   make deps     install what building and testing need (Debian 12 packages)
#   make          build the programs into build/bin
#   make check    install, build, test: everything that needs no MTA package
#   make demo     the main job, on one screen
#
# One rule a kind of file, header dependencies from the compiler, no recursion. BUILD= names
# another build directory, SAN=1 adds AddressSanitizer and UBSan.

BUILD ?= build
PREFIX ?= /usr/local
CXX ?= g++
CLANG_TIDY ?= clang-tidy-19
CLANG_FORMAT ?= clang-format-19
FUZZ_CXX ?= clang++-19
FUZZ_SECONDS ?= 60

CXXFLAGS ?= -O2 -g
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor \
           -Wold-style-cast -Wimplicit-fallthrough -Werror
ALL_CXXFLAGS = -std=c++23 $(WARNINGS) -Ilib -ffunction-sections -fdata-sections $(SAN_FLAGS) $(CXXFLAGS)
ALL_LDFLAGS = -Wl,--gc-sections -Wl,--as-needed $(SAN_FLAGS) $(LDFLAGS)
LDLIBS = -lfmt -lsodium -llmdb -lidn2 -lcsv -lmimetic
ifdef SAN
SAN_FLAGS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

LIB_SOURCES := $(wildcard lib/*/*.cpp)
LIB_OBJECTS := $(LIB_SOURCES:%.cpp=$(BUILD)/%.o)
COMMANDS := $(patsubst cmd/%.cpp,$(BUILD)/bin/%,$(wildcard cmd/ml-*.cpp))
TEST_SOURCES := $(wildcard tests/lib/*.cpp tests/lib/*/*.cpp)
TEST_OBJECTS := $(TEST_SOURCES:%.cpp=$(BUILD)/%.o)
TEST_TOOLS := $(patsubst tests/tools/%.cpp,$(BUILD)/tests/bin/%,$(wildcard tests/tools/*.cpp))
FUZZERS := $(patsubst tests/fuzz/%.cpp,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.cpp))
LIBRARY := $(BUILD)/libmlpipe.a

all: $(COMMANDS)
test-programs: $(BUILD)/tests/lib-tests $(TEST_TOOLS)

$(BUILD)/%.o: %.cpp Makefile
	@mkdir -p $(@D)
	$(CXX) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

$(LIBRARY): $(LIB_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/bin/%: $(BUILD)/cmd/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/tests/bin/%: $(BUILD)/tests/tools/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/tests/lib-tests: $(TEST_OBJECTS) $(LIBRARY)
	$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(TEST_OBJECTS): ALL_CXXFLAGS += -Itests

test: all test-programs
	@BUILD=$(BUILD) tests/run

clean:
	rm -rf $(BUILD)

.PHONY: all test test-programs clean
.SECONDARY:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
