# retrain: build, tests, demo. `make help` lists the targets.
V ?= release
B := build/$(V)

CC ?= cc
PKGS := libcurl libcrypto yaml-0.1 expat jansson
CPPFLAGS += -D_GNU_SOURCE -Iinclude -Isrc
CFLAGS_ALL := -std=c17 -g -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wvla -Wstrict-prototypes -ffp-contract=off -fno-math-errno -MMD -MP $(WERROR)
LDLIBS_ALL := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread -ldl -lm

CFLAGS_release := -O2
CFLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_tsan := -O1 -fsanitize=thread
# The gradient build: every real is a double and only the reference kernels exist.
CFLAGS_grad := -O2 -DREAL_IS_DOUBLE
CFLAGS_V := $(CFLAGS_$(V))

SRC := $(sort $(wildcard src/*/*.c src/*/*/*.c))
ifeq ($(V),grad)
SRC := $(filter src/core/% src/image/box.c src/nn/% src/detector/%,$(SRC))
SRC := $(filter-out src/nn/kernels/simd_% src/nn/kernels/blas.c,$(SRC))
endif
OBJ := $(SRC:%.c=$(B)/%.o)
LIB := $(B)/libretrain.a
BIN := build/retrain

# Kernel files are compiled for their own instruction set and chosen at run time.
$(B)/src/nn/kernels/simd_avx2.o: CFLAGS_ISA := -O3 -mavx2 -mfma -mf16c -mbmi2
$(B)/src/nn/kernels/simd_avx512.o: CFLAGS_ISA := -O3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mbmi2 -mprefer-vector-width=512
$(B)/src/nn/kernels/ref.o: CFLAGS_ISA := -O2
# stb shifts signed numbers left, which UBSan reports; every compiler does what stb means. Their file, their idiom.
build/asan/src/image/decode.o: CFLAGS_ISA := -fno-sanitize=shift

# The option table belongs to the action; the pipeline makes its parser and its pages from it.
$(B)/src/pipeline/options.o: CPPFLAGS += -Iaction

UNIT := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BIN := $(UNIT:%.c=$(B)/%)
GRAD := $(sort $(wildcard tests/grad/test_*.c))
GRAD_BIN := $(GRAD:%.c=build/grad/%)
E2E := $(sort $(wildcard tests/e2e/test_*.py) $(wildcard tests/lint/test_*.py))

.PHONY: all help deps demo test unit grad e2e asan tsan lint fuzz bench image clean lib
.DEFAULT_GOAL := all

all: $(BIN) ## build build/retrain

help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

lib: $(LIB)

$(LIB): $(OBJ)
	@rm -f $@
	@ar rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(CFLAGS_V) $(CFLAGS_ISA) $(CFLAGS) -c -o $@ $<

ifneq ($(V),grad)
$(B)/retrain: $(B)/action/main.o $(LIB)
	$(CC) $(CFLAGS_V) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)
$(BIN): build/release/retrain
	@cp $< $@
ifneq ($(V),release)
build/release/retrain:
	@$(MAKE) --no-print-directory V=release build/release/retrain
endif
endif

# One test file is one program; it prints TAP.
$(B)/tests/%: $(B)/tests/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_V) $(LDFLAGS) -o $@ $^ $(if $(filter grad,$(V)),-lpthread -lm -lcrypto -lcmocka,$(LDLIBS_ALL) -lcmocka)
.PRECIOUS: $(B)/%.o

unit-bin: $(UNIT_BIN)
grad-bin: $(GRAD_BIN)

clean: ## remove what was built
	rm -rf build

-include $(shell [ -d build ] && find build -name '*.d')
