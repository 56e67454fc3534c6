# moonflash: make [all|deps|demo|check|asan|bench|soak|fuzz|coverage|mutation|doc|install|deb|dist|esp.so|clean]
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
COVER   ?=

# Debian names. The first list builds and runs, the second tests, the third makes
# documents and packages, the fourth is for those who change code that runs on
# the chip.
DEPS       := gcc libc6-dev pkg-config liblua5.4-dev lua-filesystem-dev \
              libserialport-dev libdeflate-dev libmd-dev lua-argparse lua-dkjson
TEST_DEPS  := libcmocka-dev lua-unit perl unzip socat clang libclang-rt-14-dev libgensio-dev \
              ser2net openssl lua-sql-sqlite3 lua-sql-postgres postgresql parallel
DOC_DEPS   := scdoc lua-ldoc lua5.2 lintian dpkg-dev lua5.4
CHIP_DEPS  := gcc-xtensa-lx106 qemu-system-misc

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2
LIBS := lua5.4 libserialport libdeflate libmd
CFLAGS  := -std=gnu11 $(O) -g $(WARN) $(SAN) -D_GNU_SOURCE -DMOONFLASH_VERSION='"$(VERSION)"' \
           -Isrc $(LUA_CFLAGS) -ffile-prefix-map=$(CURDIR)=. $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
# Static where Debian has the archive, so that the program needs only libc.
LDLIBS  := -Wl,-Bstatic -llua5.4 -l:liblua5.4-filesystem.a -lserialport -ldeflate -lmd \
           -Wl,-Bdynamic -lm -ldl -lpthread
LDFLAGS := -Wl,-E $(SAN) $(COVER)

SRC   := $(wildcard src/*.c src/serve/*.c src/port/*.c src/loader/*.c src/sim/*.c src/lua/*.c)
OBJ   := $(SRC:%.c=$(BUILD)/%.o)
LIB   := $(filter-out $(BUILD)/src/main.o,$(OBJ))
TESTC := $(patsubst tests/c/%.c,$(BUILD)/tests/%,$(wildcard tests/c/test_*.c))

LUASHARE ?= /usr/share/lua/5.4
EMBED := $(shell find lualib scripts -name '*.lua' -o -name '*.json' 2>/dev/null | sort)
THIRD := $(LUASHARE)/argparse.lua $(LUASHARE)/dkjson.lua
BLOBS := $(wildcard src/sim/rom/rom.bin src/stub/stub.bin)

V ?=
Q := $(if $(V),,@)

all: $(BUILD)/moonflash

$(BUILD)/moonflash: $(OBJ) $(BUILD)/embed.o
	$(Q)echo "  link  $@"; $(CC) $(LDFLAGS) $(COVER_EXIT) -o $@ $^ $(LDLIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)echo "  cc    $<"; $(CC) $(CFLAGS) $(if $(filter src/sim/%,$<),,$(COVER)) -MMD -MP -c -o $@ $<

# Source text is embedded as it is, each file under the name that it has in the
# tree (third-party modules under third/).
$(BUILD)/embed.S: Makefile src/embed.sh $(EMBED) $(THIRD) $(BLOBS)
	@mkdir -p $(@D)
	$(Q)sh src/embed.sh $(EMBED) $(BLOBS) $(THIRD:%=third:%) > $@
$(BUILD)/embed.o: $(BUILD)/embed.S
	$(Q)$(CC) -c -o $@ $<

deps: ; sh src/deps.sh $(DEPS)
deps-test: ; sh src/deps.sh $(DEPS) $(TEST_DEPS)
deps-doc: ; sh src/deps.sh $(DOC_DEPS)
deps-chip: ; sh src/deps.sh $(CHIP_DEPS)

demo: $(BUILD)/moonflash ; sh examples/demo.sh $(BUILD)/moonflash

$(BUILD)/tests/%: tests/c/%.c $(LIB) $(BUILD)/embed.o
	@mkdir -p $(@D)
	$(Q)echo "  test  $<"; $(CC) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(LIB) $(BUILD)/embed.o -lcmocka $(LDLIBS)

# These decide themselves which allocation or system call fails.
$(filter $(BUILD)/tests/test_alloc%,$(TESTC)): LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free
$(BUILD)/tests/test_syscalls: LDFLAGS += \
	-Wl,--wrap=read,--wrap=write,--wrap=poll,--wrap=ioctl,--wrap=fsync,--wrap=rename,--wrap=close

check-build: $(BUILD)/moonflash $(TESTC)
check: check-build ; sh tests/run.sh $(BUILD)
asan: ; $(MAKE) check BUILD=build/asan O=-O1 \
	SAN='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
bench: $(BUILD)/moonflash ; sh tests/bench/run.sh $(BUILD)
valgrind: check-build ; sh src/deps.sh valgrind && sh tests/valgrind.sh $(BUILD) $(NAMES)
soak: $(BUILD)/moonflash
	MOONFLASH=$(BUILD)/moonflash $(BUILD)/moonflash --allow=all tests/soak/campaign.lua $(or $(N),1000) "$(SEED)" "$(JOB)"
	MOONFLASH=$(BUILD)/moonflash $(BUILD)/moonflash --allow=all tests/soak/planted.lua
soak-ledger: $(BUILD)/moonflash
	MOONFLASH=$(BUILD)/moonflash $(BUILD)/moonflash --allow=all tests/soak/ledger.lua $(or $(N),10000) $(SEED)
soak-frames: $(BUILD)/tests/test_stub_frames ; FRAMES=$(or $(FRAMES),1000000) $<
# Without optimizing, so that every line is there to be counted; the simulated chip
# stays as fast as it is.
coverage:
	sh src/deps.sh gcovr
	find build/coverage -name '*.gcda' -delete 2> /dev/null || true
	$(MAKE) check BUILD=build/coverage COVER='-O0 --coverage' \
		COVER_EXIT='-Wl,--wrap=_exit,--wrap=execvpe tests/coverage_exit.c' && \
		sh tests/coverage.sh build/coverage
mutation: $(BUILD)/moonflash
	MOONFLASH=$(abspath $(BUILD))/moonflash $(BUILD)/moonflash --allow=all tests/mutation/run.lua \
		$(abspath $(BUILD))/mutation $(or $(N),all) $(SEED) -- $(FILES)
fuzz: $(BUILD)/embed.o ; BUILD=$(BUILD) sh tests/fuzz/run.sh $(or $(SECONDS),60)

# ---- documents and packages

# What is made has the time of the last change, so that the same tree gives the
# same bytes.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
PAGES := $(BUILD)/man/moonflash.1 $(BUILD)/man/moonflash-recipe.5
SHELLS := $(BUILD)/complete/bash $(BUILD)/complete/zsh $(BUILD)/complete/fish
MAN   := $(DESTDIR)$(PREFIX)/share/man
SHARE := $(DESTDIR)$(PREFIX)/share

$(BUILD)/man/%: src/package/%.scd src/package/man.lua $(BUILD)/moonflash
	@mkdir -p $(@D)
	$(Q)$(BUILD)/moonflash --allow=all src/package/man.lua $< > $@.scd && scdoc < $@.scd > $@
$(BUILD)/complete/%: $(BUILD)/moonflash
	@mkdir -p $(@D)
	$(Q)$(BUILD)/moonflash complete $* > $@

man: $(PAGES)
# The page on `esp` is made of the comments in src/lua.
doc: $(PAGES)
	rm -rf $(BUILD)/doc-src && mkdir -p $(BUILD)/doc-src && cp -r lualib/moonflash $(BUILD)/doc-src
	$(BUILD)/moonflash --allow=all src/package/esp_doc.lua src/lua/*.c > $(BUILD)/doc-src/esp.lua
	ldoc --fatalwarnings -q -c src/package/config.ld -d $(BUILD)/doc $(BUILD)/doc-src

install: all $(PAGES) $(SHELLS)
	install -Dm755 $(BUILD)/moonflash $(DESTDIR)$(PREFIX)/bin/moonflash
	install -Dm644 README.md $(SHARE)/doc/moonflash/README.md
	install -Dm644 $(BUILD)/man/moonflash.1 $(MAN)/man1/moonflash.1
	install -Dm644 $(BUILD)/man/moonflash-recipe.5 $(MAN)/man5/moonflash-recipe.5
	install -Dm644 $(BUILD)/complete/bash $(SHARE)/bash-completion/completions/moonflash
	install -Dm644 $(BUILD)/complete/zsh $(SHARE)/zsh/vendor-completions/_moonflash
	install -Dm644 $(BUILD)/complete/fish $(SHARE)/fish/vendor_completions.d/moonflash.fish

# The modules for a Lua 5.4 of the system.
LUA_LIBDIR   ?= $(PREFIX)/lib/lua/5.4
LUA_SHAREDIR ?= $(PREFIX)/share/lua/5.4
PIC := $(BUILD)/pic
PIC_OBJ := $(patsubst %.c,$(PIC)/%.o,$(filter-out src/main.c,$(SRC)))
$(PIC)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)echo "  cc    $< (shared)"; $(CC) $(CFLAGS) -fPIC -MMD -MP -c -o $@ $<
$(BUILD)/esp.so: $(PIC_OBJ) $(BUILD)/embed.o
	$(Q)echo "  link  $@"; $(CC) -shared $(SAN) -o $@ $^ -lserialport -ldeflate -lmd -lm -ldl -lpthread
esp.so: $(BUILD)/esp.so
install-lua: $(BUILD)/esp.so
	install -Dm644 $(BUILD)/esp.so $(DESTDIR)$(LUA_LIBDIR)/esp.so
	cd lualib && find . -name '*.lua' -exec install -Dm644 {} $(DESTDIR)$(LUA_SHAREDIR)/{} \;
rockspec: $(BUILD)/moonflash-$(VERSION)-1.rockspec
$(BUILD)/moonflash-$(VERSION)-1.rockspec: src/package/moonflash.rockspec.in
	$(Q)sed 's/@VERSION@/$(VERSION)/' $< > $@

ARCH := $(shell uname -m)
check-packages: ; sh tests/packages.sh
deb:
	rm -rf $(BUILD)/deb
	$(MAKE) install DESTDIR=$(abspath $(BUILD))/deb PREFIX=/usr
	sh src/package/deb.sh $(BUILD)/deb $(VERSION) $(BUILD)/moonflash_$(VERSION)_$(shell dpkg --print-architecture 2>/dev/null).deb
dist:
	rm -rf $(BUILD)/dist
	$(MAKE) install DESTDIR=$(abspath $(BUILD))/dist/stage PREFIX=
	sh src/package/dist.sh $(BUILD)/dist/stage moonflash-$(VERSION) $(BUILD)/moonflash-$(VERSION)-linux-$(ARCH).tar.gz

clean: ; rm -rf build

-include $(OBJ:.o=.d) $(PIC_OBJ:.o=.d) $(wildcard $(BUILD)/tests/*.d)
.PHONY: all deps deps-test deps-doc deps-chip man doc esp.so install-lua rockspec deb dist check-packages demo check check-build asan valgrind bench soak soak-ledger soak-frames coverage mutation fuzz install clean
.DELETE_ON_ERROR:
