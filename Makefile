# SPDX-License-Identifier: GPL-2.0
#
# The verbs. Each is carried out by scripts/kparity, whose exit status says
# more than make's: CI calls the program itself.

VARIABLES := ARCH VARIANT PAIR PAIRS_DIR CASE SEED PROGRAMS PROGRAM LANE BOOTS MARGIN DEPTH KERNEL KERNEL_SRC KDIR TOOLCHAIN ACCEL APPEND KEEP SILENCE OUT MIRROR FORMAT KIND DIR DEST REMOVE MINUTES SEEDS JOBS IN_DIFF MUTANTS PART SHARD SHARDS TIMES DIRS CHOICE OP OUTCOME BASELINE LIMIT FROZEN AGAINST V
VERBS := run watch check test mutants soak explain coverage baseline compare choices freeze contract compile-fail new in-tree report merge matrix shell gdb doctor update clean distclean help bench-self

# What is given on the command line or in the environment, and nothing else.
export $(foreach v,$(VARIABLES),$(if $(filter-out undefined default,$(origin $(v))),$(v)))
MAKEFLAGS += --no-print-directory

# A word that is no variable of ours is passed on as well, to be refused.
UNKNOWN := $(filter-out $(VARIABLES),$(foreach v,$(.VARIABLES),$(if $(filter command,$(origin $(v))),$(v))))
quote = '$(subst ','\'',$(1))'

.PHONY: $(VERBS)
.DEFAULT_GOAL := help

$(VERBS):
	@scripts/kparity $@ $(foreach v,$(UNKNOWN),$(call quote,$(v)=))
