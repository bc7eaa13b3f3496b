/* SPDX-License-Identifier: GPL-2.0 */
/* Trace events of vfio_pci_mediate.ko: /sys/kernel/tracing/events/mediate/ */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mediate

#if !defined(MEDIATE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MEDIATE_TRACE_H

#include <linux/device.h>
#include <linux/tracepoint.h>

TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_ERROR);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_STOP);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_RUNNING);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_STOP_COPY);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_RESUMING);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_RUNNING_P2P);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_PRE_COPY);
TRACE_DEFINE_ENUM(VFIO_DEVICE_STATE_PRE_COPY_P2P);

#define show_mediate_state(state)					\
	__print_symbolic(state,						\
		{ VFIO_DEVICE_STATE_ERROR, "ERROR" },			\
		{ VFIO_DEVICE_STATE_STOP, "STOP" },			\
		{ VFIO_DEVICE_STATE_RUNNING, "RUNNING" },		\
		{ VFIO_DEVICE_STATE_STOP_COPY, "STOP_COPY" },		\
		{ VFIO_DEVICE_STATE_RESUMING, "RESUMING" },		\
		{ VFIO_DEVICE_STATE_RUNNING_P2P, "RUNNING_P2P" },	\
		{ VFIO_DEVICE_STATE_PRE_COPY, "PRE_COPY" },		\
		{ VFIO_DEVICE_STATE_PRE_COPY_P2P, "PRE_COPY_P2P" })

/* A step of the state machine; ret: why it failed, then from is left for to. */
TRACE_EVENT(state,
	TP_PROTO(const struct device *dev, u32 from, u32 to, int ret),
	TP_ARGS(dev, from, to, ret),
	TP_STRUCT__entry(
		__string(dev, dev_name(dev))
		__field(u32, from)
		__field(u32, to)
		__field(int, ret)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->from = from;
		__entry->to = to;
		__entry->ret = ret;
	),
	TP_printk("%s %s -> %s ret=%d", __get_str(dev),
		  show_mediate_state(__entry->from),
		  show_mediate_state(__entry->to), __entry->ret)
);

/* An access to a BAR that the provider answered. */
TRACE_EVENT(trap,
	TP_PROTO(const struct device *dev, u32 region, u64 offset, u64 value,
		 u32 width, bool write),
	TP_ARGS(dev, region, offset, value, width, write),
	TP_STRUCT__entry(
		__string(dev, dev_name(dev))
		__field(u32, region)
		__field(u64, offset)
		__field(u64, value)
		__field(u32, width)
		__field(bool, write)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->region = region;
		__entry->offset = offset;
		__entry->value = value;
		__entry->width = width;
		__entry->write = write;
	),
	TP_printk("%s BAR%u+%#llx %s %#llx width=%u", __get_str(dev),
		  __entry->region, __entry->offset,
		  __entry->write ? "<-" : "->", __entry->value, __entry->width)
);

/* Memory of the guest's that was written on behalf of the device. */
TRACE_EVENT(dirty,
	TP_PROTO(const struct device *dev, u64 iova, u64 len),
	TP_ARGS(dev, iova, len),
	TP_STRUCT__entry(
		__string(dev, dev_name(dev))
		__field(u64, iova)
		__field(u64, len)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->iova = iova;
		__entry->len = len;
	),
	TP_printk("%s iova=%#llx len=%#llx", __get_str(dev), __entry->iova,
		  __entry->len)
);

#endif /* MEDIATE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE mediate_trace
#include <trace/define_trace.h>
