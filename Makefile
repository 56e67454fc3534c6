# moonflash: make [all|deps|demo|check|asan|bench|soak|fuzz|install|clean]
#
# Host program: build/moonflash. Nothing generated lands outside build/.
# CC=clang works; BUILD= puts another configuration beside the first; V=1 shows
# the commands.

PREFIX  ?= /usr/local
BUILD   ?= build
CC      ?= cc
VERSION := 0.1.0
O       ?= -O2
SAN     ?=

# Debian names. The first list builds and runs, the second tests, the third is
# for those who change code that runs on the chip.
DEPS       := gcc libc6-dev pkg-config liblua5.4-dev lua-filesystem-dev \
              libserialport-dev libdeflate-dev libmd-dev lua-argparse lua-dkjson
TEST_DEPS  := libcmocka-dev lua-unit perl unzip socat clang libclang-rt-14-dev libgensio-dev \
              ser2net openssl
CHIP_DEPS  := gcc-xtensa-lx106 qemu-system-misc

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2
LIBS := lua5.4 libserialport libdeflate libmd
CFLAGS  := -std=gnu11 $(O) -g $(WARN) $(SAN) -D_GNU_SOURCE -DMOONFLASH_VERSION='"$(VERSION)"' \
           -Isrc $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
# Static where Debian has the archive, so that the program needs only libc.
LDLIBS  := -Wl,-Bstatic -llua5.4 -l:liblua5.4-filesystem.a -lserialport -ldeflate -lmd \
           -Wl,-Bdynamic -lm -ldl -lpthread
LDFLAGS := -Wl,-E $(SAN)

SRC   := $(wildcard src/*.c src/serve/*.c src/port/*.c src/loader/*.c src/sim/*.c src/lua/*.c)
OBJ   := $(SRC:%.c=$(BUILD)/%.o)
LIB   := $(filter-out $(BUILD)/src/main.o,$(OBJ))
TESTC := $(patsubst tests/c/%.c,$(BUILD)/tests/%,$(wildcard tests/c/test_*.c))

LUASHARE ?= /usr/share/lua/5.4
EMBED := $(shell find lualib scripts -name '*.lua' 2>/dev/null | sort)
THIRD := $(LUASHARE)/argparse.lua $(LUASHARE)/dkjson.lua
BLOBS := $(wildcard src/sim/rom/rom.bin src/stub/stub.bin)

V ?=
Q := $(if $(V),,@)

all: $(BUILD)/moonflash

$(BUILD)/moonflash: $(OBJ) $(BUILD)/embed.o
	$(Q)echo "  link  $@"; $(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)echo "  cc    $<"; $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# Source text is embedded as it is, each file under the name that it has in the
# tree (third-party modules under third/).
$(BUILD)/embed.S: Makefile src/embed.sh $(EMBED) $(THIRD) $(BLOBS)
	@mkdir -p $(@D)
	$(Q)sh src/embed.sh $(EMBED) $(BLOBS) $(THIRD:%=third:%) > $@
$(BUILD)/embed.o: $(BUILD)/embed.S
	$(Q)$(CC) -c -o $@ $<

deps: ; sh src/deps.sh $(DEPS)
deps-test: ; sh src/deps.sh $(DEPS) $(TEST_DEPS)
deps-chip: ; sh src/deps.sh $(CHIP_DEPS)

demo: $(BUILD)/moonflash ; sh examples/demo.sh $(BUILD)/moonflash

$(BUILD)/tests/%: tests/c/%.c $(LIB) $(BUILD)/embed.o
	@mkdir -p $(@D)
	$(Q)echo "  test  $<"; $(CC) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(LIB) $(BUILD)/embed.o -lcmocka $(LDLIBS)

# These decide themselves which allocation or system call fails.
$(filter $(BUILD)/tests/test_alloc%,$(TESTC)): LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free

check-build: $(BUILD)/moonflash $(TESTC)
check: check-build ; sh tests/run.sh $(BUILD)
asan: ; $(MAKE) check BUILD=build/asan O=-O1 \
	SAN='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
bench: $(BUILD)/moonflash ; sh tests/bench/run.sh $(BUILD)
soak: $(BUILD)/moonflash ; $(BUILD)/moonflash --allow=all tests/soak/soak.lua all $(or $(N),1000) $(SEED)
fuzz: $(BUILD)/embed.o ; BUILD=$(BUILD) sh tests/fuzz/run.sh $(or $(SECONDS),60)

install: all
	install -Dm755 $(BUILD)/moonflash $(DESTDIR)$(PREFIX)/bin/moonflash

clean: ; rm -rf build

-include $(OBJ:.o=.d) $(wildcard $(BUILD)/tests/*.d)
.PHONY: all deps deps-test deps-chip demo check check-build asan bench soak fuzz install clean
.DELETE_ON_ERROR:
