/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The VFs for which a provider exists, as "vendor:device" in hexadecimal,
 * separated by blanks. vfio_pci_mediate announces itself for them with aliases
 * of the form vfio_pci:v...d..., by which libvirt and driverctl choose it over
 * vfio-pci. Any other VF can be bound to it by driver_override.
 */
#ifndef _LINUX_VFIO_MEDIATE_IDS_H
#define _LINUX_VFIO_MEDIATE_IDS_H

#define VFIO_MEDIATE_VF_IDS	"8086:10ca"

#endif /* _LINUX_VFIO_MEDIATE_IDS_H */
