# SPDX-License-Identifier: GPL-2.0
# Rust bindings for headers that the kernel crate does not bind.
#
# A Kbuild file sets `bindings-y` to names NAME: $(src)/abi/NAME.h (what to
# bind) and $(src)/abi/NAME.allow (bindgen arguments) then make
# $(obj)/abi/NAME.rs. Types that the kernel crate binds already are taken from
# there, so that both agree. Rust finds the folder in $MEDIATE_ABI.

export MEDIATE_ABI := $(abspath $(obj))/abi

# rust/Makefile hands the flags of clang builds to bindgen as they are, and
# filters those of GCC builds; its list is not available here, so read it.
ifdef CONFIG_CC_IS_CLANG
abi-c-flags = $(c_flags)
else
abi-skip-c-flags := $(shell sed -n '/^bindgen_skip_c_flags :=/,/[^\\]$$/p' $(srctree)/rust/Makefile | \
	sed 's/^bindgen_skip_c_flags :=//; s/\\$$//')
abi-c-flags = $(filter-out $(abi-skip-c-flags), $(c_flags)) -w --target=x86_64-linux-gnu
endif

quiet_cmd_abi = BINDGEN $@
      cmd_abi = \
	$(BINDGEN) $< $(shell grep -Ev '^\#|^$$' $(src)/abi/$*.allow) \
		--rust-target 1.85 --use-core --ctypes-prefix ::kernel::ffi \
		--no-layout-tests --no-doc-comments --no-debug '.*' \
		--no-recursive-allowlist --raw-line '\#[allow(unused_imports)] use ::kernel::bindings::*;' \
		-o $@ -- $(abi-c-flags) -fno-builtin -D__BINDGEN__ -DMODULE

$(obj)/abi/%.rs: $(src)/abi/%.h $(src)/abi/%.allow FORCE
	$(Q)mkdir -p $(dir $@)
	$(call if_changed_dep,abi)

targets += $(addprefix abi/, $(addsuffix .rs, $(bindings-y)))
