/* SPDX-License-Identifier: GPL-2.0 */
/* Functions in Rust that the trampolines of vfio_shim.c call. */
#ifndef VFIO_CALLS_H
#define VFIO_CALLS_H

#include <linux/types.h>

struct file;
struct vfio_device;

int vfm_rs_set_state(struct vfio_device *vdev, u32 state, struct file **data);
int vfm_rs_get_state(struct vfio_device *vdev, u32 *state);
int vfm_rs_get_data_size(struct vfio_device *vdev, unsigned long *size);

#endif
