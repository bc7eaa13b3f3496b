#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A guest on a mediated VF: what an operator does on each of two hosts.
#
# usage: mediated.sh prepare|devices|undo PF VF MAC
#
# PF is the interface of the PF, which igb_rs drives; VF the number of its VF.
set -eu
step=$1 pf=$2 vf=$3 mac=$4
address=$(basename "$(readlink "/sys/class/net/$pf/device/virtfn$vf")")

case $step in
prepare)
	ip link set "$pf" up
	ip link set "$pf" vf "$vf" mac "$mac"
	echo vfio_pci_mediate >"/sys/bus/pci/devices/$address/driver_override"
	echo "$address" >/sys/bus/pci/drivers_probe
	;;
devices)
	# Of QEMU, beside a pcie-root-port `port0`; on the target with -incoming.
	echo "-device vfio-pci,id=vf0,bus=port0,host=$address,enable-migration=on"
	;;
undo)
	echo "$address" >"/sys/bus/pci/devices/$address/driver/unbind"
	;;
esac

# The migration, by QMP:
#   source   migrate uri=...
