#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A guest on a VF with a virtio-net standby: what an operator does on each of two hosts.
#
# usage: failover.sh prepare|devices|vf-left|vf-back|undo PF VF MAC
#
# PF is the interface of the PF, which the kernel's igb drives; VF the number of its VF.
set -eu
step=$1 pf=$2 vf=$3 mac=$4
address=$(basename "$(readlink "/sys/class/net/$pf/device/virtfn$vf")")
tap=sb-$pf

case $step in
prepare)
	ip link set "$pf" up
	ip link set "$pf" vf "$vf" mac "$mac"
	echo vfio-pci >"/sys/bus/pci/devices/$address/driver_override"
	echo "$address" >/sys/bus/pci/drivers_probe
	# Down, so that its address is not in the pool of the PF.
	ip link add link "$pf" name "$tap" address "$mac" type macvtap mode bridge
	;;
devices)
	# Of QEMU, beside a pcie-root-port `port0`, with /dev/tapN of the macvtap as its
	# file 3; on the target with -incoming.
	echo "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off" \
		"-netdev tap,id=tap0,fd=3,vhost=on" \
		"-device virtio-net-pci,id=standby,netdev=tap0,mac=$mac,failover=on" \
		"-device vfio-pci,id=vf0,bus=port0,host=$address,failover_pair_id=standby"
	;;
vf-left)
	ip link set "$tap" up
	;;
vf-back)
	ip link set "$tap" down
	;;
undo)
	ip link del "$tap"
	echo "$address" >"/sys/bus/pci/devices/$address/driver/unbind"
	;;
esac

# The migration, by QMP:
#   target   failover.sh vf-left: no guest has this host's VF
#   source   migrate uri=...
#   source   MIGRATION wait-unplug, then active: the guest has given the VF back.
#            failover.sh vf-left
#   target   RESUME: the guest runs, and finds the VF of this host plugged in.
#            When that has a carrier: failover.sh vf-back
