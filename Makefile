# SPDX-License-Identifier: GPL-2.0
# For people; `Kbuild` is what the kernel's build reads.
#
#   make                    the modules, for Debian's packaged kernel
#   make KDIR=DIR           the modules, for the kernel built or prepared in DIR
#   make modules_install    installs them (INSTALL_MOD_PATH=DIR, KDIR=DIR)
#   make demo               a guest on a mediated VF, in the rig
#   make test               everything below
#   make check unit kunit system
#   make fuzz [TARGET=NAME] [RUNS=N] [SECONDS=N]
#   make soak PART=NAME [ROUNDS=N] [KERNEL=stock|debug] [FIRST=N] [FAULTS=1]
#   make truth [TRANSPORT=kvm|region|fixed] [CHANNEL=log|scope] [SEEDS=N] [SEED=N] [KERNEL=stock|debug]
#   make postcopy [SEEDS=N] [SEED=N] [TRANSPORT=region|fixed] [KERNEL=stock|debug]
#   make bench [PART=NAME] [ROUNDS=N]
#   make netdev [PART=selftests|compare] [ROUNDS=N]
#   make clean              removes what was built; the cache stays

KERNEL ?= stock

# To scripts/build, wherever it is called.
export FAULTS

all: modules

modules:
	@scripts/build $(if $(KDIR),--kdir "$(KDIR)",$(KERNEL))

modules_install:
	@scripts/build --install "$(INSTALL_MOD_PATH)" $(if $(KDIR),--kdir "$(KDIR)",$(KERNEL))

demo:
	@scripts/demo

test:
	@scripts/test quick system

check unit kunit system:
	@scripts/test $@

# A run of its own: the part of `make test` is scripts/test fuzz.
fuzz:
	@scripts/fuzz $(if $(RUNS),--runs "$(RUNS)") $(if $(SECONDS),--seconds "$(SECONDS)") $(TARGET)

soak:
	@scripts/soak "$(PART)" "$(ROUNDS)" "$(KERNEL)" "$(FIRST)"

truth:
	@scripts/truth "$(TRANSPORT)" "$(CHANNEL)" "$(SEEDS)" "$(SEED)" $(if $(filter command% environment%,$(origin KERNEL)),"$(KERNEL)")

bench:
	@scripts/bench $(if $(ROUNDS),--rounds "$(ROUNDS)") $(PART)

netdev:
	@scripts/netdev "$(PART)" $(ROUNDS)

postcopy:
	@scripts/postcopy "$(SEEDS)" "$(SEED)" "$(TRANSPORT)" "$(KERNEL)"

clean:
	@rm -rf build 2>/dev/null || sudo rm -rf build

.PHONY: all modules modules_install demo test check unit kunit system fuzz soak truth bench netdev postcopy clean
