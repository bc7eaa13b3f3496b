/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The dynamic-trap region: how a VMM that maps a VF's registers takes them away
 * from its guest while the VF migrates, and how it feeds a VF whose guest's
 * memory is still on its way. Documentation/trap-region.rst says who does what when.
 */
#ifndef _UAPI_LINUX_VFIO_MEDIATE_H
#define _UAPI_LINUX_VFIO_MEDIATE_H

#include <linux/types.h>

/* Type and subtype in the region's VFIO_REGION_INFO_CAP_TYPE. */
#define VFIO_REGION_TYPE_MEDIATE		0x4d454454
#define VFIO_REGION_SUBTYPE_MEDIATE_TRAP	1

/* Grows whenever what is there changes its meaning; members are added behind. */
#define VFIO_MEDIATE_TRAP_VERSION		1

/* Bytes of the region; what is behind the windows reads as zeroes. */
#define VFIO_MEDIATE_TRAP_SIZE			4096

/* Most windows there can be. */
#define VFIO_MEDIATE_TRAP_MAX_WINDOWS		32

/* The window can never be mapped. */
#define VFIO_MEDIATE_TRAP_WINDOW_NEVER_MAPPED	(1U << 0)
/* The window is trapped for pre-fault, and not for a migration from here. */
#define VFIO_MEDIATE_TRAP_WINDOW_OPTIONAL	(1U << 1)

/**
 * struct vfio_mediate_trap_window - a range of a BAR that can be trapped
 * @region: VFIO_PCI_BAR0_REGION_INDEX to VFIO_PCI_BAR5_REGION_INDEX
 * @flags: VFIO_MEDIATE_TRAP_WINDOW_…
 * @offset: first byte, a multiple of 4096
 * @size: bytes, a multiple of 4096
 */
struct vfio_mediate_trap_window {
	__u32 region;
	__u32 flags;
	__u64 offset;
	__u64 size;
};

/* The VMM takes part: it will obey @wanted. Once set it stays. */
#define VFIO_MEDIATE_TRAP_OPT_IN		(1U << 0)
/* Doorbells whose memory is not mapped for DMA are refused with EFAULT. */
#define VFIO_MEDIATE_TRAP_PREFAULT		(1U << 1)

/**
 * struct vfio_mediate_trap - the region, little-endian
 * @version: VFIO_MEDIATE_TRAP_VERSION
 * @size: bytes up to the end of the last window
 * @nr_windows: entries in @windows
 * @window_size: bytes of each
 * @control: VFIO_MEDIATE_TRAP_OPT_IN, VFIO_MEDIATE_TRAP_PREFAULT; may be written
 * @event_fd: write an eventfd that is signalled when @wanted changes, or -1;
 *	reads as -1
 * @wanted: windows that the VMM must not map, bit N for window N
 * @sequence: grows by one when @wanted changes
 * @ack: write the @sequence whose @wanted has been obeyed; reads as the last one
 * @trapped: windows that are trapped
 * @retry: write anything: what a guest posted before it came here is given to the
 *	device as far as its memory is there; reads as 0
 * @reserved: 0
 * @fault_iova: the memory that was missing last: first byte
 * @fault_len: and its bytes, whole pages; 0: none was
 * @windows: what can be trapped
 *
 * Any bytes may be read. A write is of exactly one of the members that may be written.
 */
struct vfio_mediate_trap {
	__u32 version;
	__u32 size;
	__u32 nr_windows;
	__u32 window_size;
	__u32 control;
	__s32 event_fd;
	__u32 wanted;
	__u32 sequence;
	__u32 ack;
	__u32 trapped;
	__u32 retry;
	__u32 reserved;
	__u64 fault_iova;
	__u64 fault_len;
	struct vfio_mediate_trap_window windows[];
};

#endif /* _UAPI_LINUX_VFIO_MEDIATE_H */
