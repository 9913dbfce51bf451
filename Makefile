# retrain: build, tests, demo. `make help` lists the targets.
#
#   make                     the program, as build/retrain
#   make test                everything that can run here, one closing line
#   make V=asan build/asan/tests/unit/test_str    one program of one variant (release, asan, tsan, grad, fuzz)
V ?= release
B := build/$(V)
PYTHON ?= python3

.DEFAULT_GOAL := all
.PHONY: all help deps demo test unit grad golden e2e asan tsan lint fuzz bench bench-layers sample image clean lib unit-bin grad-bin golden-bin fuzz-bin

# ---- a bare machine: install what is missing, then start make anew, since the flags below are read from what is there
COMPILING := $(filter-out help deps clean image,$(or $(MAKECMDGOALS),all))
ifneq ($(COMPILING),)
ifeq ($(DEPS_CHECKED),)
ifneq ($(shell sh tools/deps.sh --check && echo yes),yes)
DEPS_MISSING := 1
endif
endif
endif

ifdef DEPS_MISSING
.PHONY: $(COMPILING)
$(COMPILING): deps
	@$(MAKE) --no-print-directory DEPS_CHECKED=1 $@
else
export DEPS_CHECKED := 1

# ---- flags
CC := $(if $(filter default,$(origin CC)),$(if $(filter fuzz,$(V)),clang,cc),$(CC))
PKGS := libcurl libcrypto yaml-0.1 expat jansson
CPPFLAGS += -D_GNU_SOURCE -Iinclude -Isrc
CFLAGS_ALL := -std=c17 -g -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wvla -Wstrict-prototypes \
              -ffp-contract=off -fno-math-errno -MMD -MP $(WERROR)
LDLIBS_ALL := -Wl,--as-needed $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread -ldl -lm

CFLAGS_release := -O2
CFLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_tsan := -O1 -fsanitize=thread
CFLAGS_fuzz := -O1 -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# The gradient build: every real is a double and only the reference kernels exist.
CFLAGS_grad := -O2 -DREAL_IS_DOUBLE
CFLAGS_V := $(CFLAGS_$(V))

KERNEL_OPT := $(if $(filter asan tsan fuzz,$(V)),-O1,-O3)
# Kernel files are compiled for their own instruction set and chosen at run time.
$(B)/src/nn/kernels/set_avx2.o: CFLAGS_ISA := $(KERNEL_OPT) -mavx2 -mfma -mf16c -mbmi2 -Wno-psabi
$(B)/src/nn/kernels/set_avx512.o: CFLAGS_ISA := $(KERNEL_OPT) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mbmi2 \
                                                 -mprefer-vector-width=512
# The reference set under AddressSanitizer: inlined, its lanes would keep the compiler busy for a minute.
build/asan/src/nn/kernels/set_ref.o: CFLAGS_ISA := -fno-inline
# stb shifts signed numbers left and lets damaged coefficients overflow: -fwrapv makes the latter defined. The rest of the
# checks stays on.
$(B)/src/image/decode.o: CFLAGS_ISA := -fwrapv
build/asan/src/image/decode.o build/fuzz/src/image/decode.o: CFLAGS_ISA := -fwrapv -fno-sanitize=shift,signed-integer-overflow
# The option table belongs to the action; config makes the parser of it, command its pages.
$(B)/src/config/options.o: CPPFLAGS += -Iaction

# ---- what there is
SRC := $(sort $(wildcard src/*/*.c src/*/*/*.c))
ifeq ($(V),grad)
SRC := $(filter src/core/% src/image/box.c src/nn/% src/detector/% src/export/safetensors.c src/export/element.c src/train/recipe.c,$(SRC))
SRC := $(filter-out src/nn/kernels/set_avx% src/nn/kernels/blas.c,$(SRC))
endif
OBJ := $(SRC:%.c=$(B)/%.o)
LIB := $(B)/libretrain.a
BIN := build/retrain

UNIT := $(sort $(wildcard tests/unit/test_*.c))
GRAD := $(sort $(wildcard tests/grad/test_*.c))
GOLDEN := $(sort $(wildcard tests/golden/test_*.c))
GOLDEN_PARTS := $(filter-out $(GOLDEN),$(wildcard tests/golden/*.c))
FUZZ := $(sort $(wildcard tests/fuzz/fuzz_*.c))
BENCH := $(sort $(wildcard tests/bench/bench_*.c))
LINT := $(sort $(wildcard tests/lint/test_*.py))
E2E := $(sort $(wildcard tests/e2e/test_*.py tests/fault/test_*.py tests/golden/test_*.py))
HARNESS := $(sort $(wildcard tests/harness/*.c))
UNIT_BIN := $(UNIT:%.c=$(B)/%)
GRAD_BIN := $(GRAD:%.c=build/grad/%)
GOLDEN_BIN := $(foreach v,release grad,$(GOLDEN:%.c=build/$(v)/%))
FUZZ_BIN := $(FUZZ:%.c=$(B)/%)

# ---- build
ifeq ($(V),release)
all: $(BIN) ## build build/retrain
$(BIN): $(B)/retrain
	@cp $< $@.new && mv $@.new $@
else
all: $(B)/retrain
$(BIN):
	@$(MAKE) --no-print-directory V=release $@
endif

lib: $(LIB)
unit-bin: $(UNIT_BIN)
grad-bin: $(if $(filter grad,$(V)),$(GRAD_BIN))
golden-bin: $(GOLDEN:%.c=$(B)/%)
fuzz-bin: $(FUZZ_BIN)

# The Makefile says what belongs in: a source that is added here may be older than the library.
$(LIB): $(OBJ) Makefile
	@rm -f $@
	@ar rcs $@ $(OBJ)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(CFLAGS_V) $(CFLAGS_ISA) $(CFLAGS) -c -o $@ $<

$(B)/retrain: $(B)/action/main.o $(LIB)
	$(CC) $(CFLAGS_V) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

# What the container image starts: retrain, or a shell for GitLab's runner. Static, so that it needs nothing.
build/entrypoint: action/entrypoint.c
	@mkdir -p $(@D)
	$(CC) -O2 -Wall -Wextra -static $(WERROR) -o $@ $<

# One test file is one program; it prints TAP. A fuzz target is a program that replays its corpus as TAP, except in the
# variant "fuzz", where libFuzzer brings main.
FUZZ_MAIN := $(if $(filter fuzz,$(V)),,$(B)/tests/fuzz/replay.o)
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(FUZZ_MAIN) $(LIB)
	$(CC) $(CFLAGS_V) $(if $(filter fuzz,$(V)),-fsanitize=fuzzer) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

$(GOLDEN:%.c=$(B)/%): %: %.o $(GOLDEN_PARTS:%.c=$(B)/%.o) $(LIB)
	$(CC) $(CFLAGS_V) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS_ALL)

$(B)/tests/%: $(B)/tests/%.o $(HARNESS:%.c=$(B)/%.o) $(LIB)
	$(CC) $(CFLAGS_V) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS_ALL)

.SECONDARY:

# ---- tests
RUN := $(PYTHON) tests/run
SUBMAKE := $(MAKE) --no-print-directory
ASAN_BIN := $(UNIT:%.c=build/asan/%) $(FUZZ:%.c=build/asan/%)

# ASan's variant comes from one make, so that its objects are made once.
test: ## run every test that can run on this machine
	+@$(SUBMAKE) V=release $(BIN) unit-bin golden-bin build/release/tests/e2e/store_driver build/release/tests/e2e/chain_driver build/tests/preload.so
	+@$(SUBMAKE) V=grad grad-bin golden-bin
	+@$(SUBMAKE) V=asan unit-bin fuzz-bin
	@$(RUN) $(LINT) $(UNIT:%.c=build/release/%) $(GRAD_BIN) $(GOLDEN_BIN) $(ASAN_BIN) $(E2E)

unit: unit-bin ## run the unit tests (V=asan and V=tsan choose another build)
	@$(RUN) $(UNIT_BIN)

grad: ## check every layer's and loss's gradient in double precision
	+@$(SUBMAKE) V=grad grad-bin
	@$(RUN) $(GRAD_BIN)

golden: ## compare blocks, networks, loss and training steps with PyTorch, in single and in double precision
	+@$(SUBMAKE) V=release golden-bin
	+@$(SUBMAKE) V=grad golden-bin
	@$(RUN) $(GOLDEN_BIN)

e2e: $(BIN) build/release/tests/e2e/store_driver build/release/tests/e2e/chain_driver build/tests/preload.so ## run the program against local servers, stores and hosts
	@$(RUN) $(E2E)

asan: ## run unit tests and fuzz corpora under AddressSanitizer and UBSan
	+@$(SUBMAKE) V=asan unit-bin fuzz-bin
	@$(RUN) $(ASAN_BIN)

tsan: ## run the unit tests under ThreadSanitizer (T="thread log" chooses some)
	+@$(SUBMAKE) V=tsan $(if $(T),$(T:%=build/tsan/tests/unit/test_%),unit-bin)
	@$(RUN) $(if $(T),$(T:%=build/tsan/tests/unit/test_%),$(UNIT:%.c=build/tsan/%))

lint: ## check layers, headers, banned calls, sizes
	@$(RUN) $(LINT)

# New inputs go to build/, so that the committed corpus holds only what was put there on purpose.
SECONDS ?= 60
fuzz: ## fuzz one parser with libFuzzer: make fuzz T=yaml [SECONDS=60]
	@test -n "$(T)" || { echo "make fuzz needs T=NAME; there are: $(FUZZ:tests/fuzz/fuzz_%.c=%)"; exit 2; }
	@command -v clang >/dev/null || { echo "make fuzz needs clang: sudo apt-get install clang"; exit 2; }
	+@$(SUBMAKE) V=fuzz build/fuzz/tests/fuzz/fuzz_$(T)
	@mkdir -p build/fuzz/corpus/$(T)
	build/fuzz/tests/fuzz/fuzz_$(T) -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 \
	    -artifact_prefix=build/fuzz/ build/fuzz/corpus/$(T) $(wildcard tests/fuzz/corpus/$(T))

bench: ## measure against PyTorch, ultralytics, ONNX Runtime and coreutils, taking turns (an hour; ARGS="--only step ...")
	@python3 tests/bench/bench.py $(ARGS)

bench-layers: $(B)/tests/bench/bench_layers ## measure each layer and pass of a training step
	@$<

# Makes the n-th file operation fail: for the tests in tests/fault.
build/tests/preload.so: tests/fault/preload.c
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -std=c17 -O2 -Wall -Wextra $(WERROR) -shared -fPIC -o $@ $< -ldl

# The sample dataset's renderer; its own flags, so that it draws the same bytes in every variant.
build/tools/render_sample: tools/render_sample.c $(wildcard tools/sample/*.c) $(wildcard tools/sample/*.h)
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -std=c17 -O2 -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wvla \
	    -ffp-contract=off -fno-math-errno $(WERROR) -o $@ $(filter %.c,$^) -lm

sample: build/tools/render_sample ## render dataset/ again (two minutes; the same bytes)
	build/tools/render_sample dataset

demo: $(BIN) ## train a small detector on dataset/ and show what a run leaves behind
	@if [ -x tools/demo.sh ]; then tools/demo.sh; else echo "tools/demo.sh is missing"; exit 1; fi

-include $(shell [ -d $(B) ] && find $(B) -name '*.d')
endif # DEPS_MISSING

# ---- what needs no compiler
help: ## list the targets
	@grep -hE '^[a-z][a-z0-9-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 8

deps: ## install what the build and the tests need (Debian, Ubuntu)
	@sh tools/deps.sh

image: ## build the container image retrain:local
	docker build -t retrain:local .

clean: ## remove what was built
	rm -rf build
