/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions of kernel headers, for Rust. */
#ifndef MEDIATE_SHIM_H
#define MEDIATE_SHIM_H

struct pci_dev;

struct pci_dev *vfm_physfn(struct pci_dev *vf);

#endif
