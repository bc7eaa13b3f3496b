# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts of this folder; sourced, never run.

set -euo pipefail

# The checkout, and the cache folder that outlives it.
SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE=${MEDIATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vf-mediate}
ROOT=$CACHE/root
KERNELS=$CACHE/kernel

say() { printf '[%s] %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Mounting and chroot need root: start the calling script again through sudo.
need_root() {
	[ "$(id -u)" = 0 ] && return
	command -v sudo >/dev/null || die "run as root, or install sudo"
	exec sudo MEDIATE_CACHE="$CACHE" FAULTS="${FAULTS:-}" "$0" "$@"
}

# The release name of the stock kernel, as chosen when the root was made.
kernel_release() { cat "$KERNELS/release"; }

# Both kernels under test are built from one source tree.
stock_kdir() { printf '%s\n' "$KERNELS/stock/build"; }
debug_kdir() { printf '%s\n' "$KERNELS/debug/build"; }
