// SPDX-License-Identifier: GPL-2.0

//! What the kernel says of a device.

use crate::{abi::dirty::log_offered, device::Device, error::Result, iommu::Backend, migration};
use serde_json::{json, Value};

/// `vfclient info`
pub fn run(address: &str, backend: Backend) -> Result<Value> {
    let device = Device::open(address, backend)?;
    let (flags, regions, kinds) = device.info()?;
    let mut described = Vec::new();
    for index in 0..regions {
        let Ok(region) = device.region(index) else {
            continue;
        };
        let areas: Vec<_> = region
            .areas
            .iter()
            .map(|area| json!([area.offset, area.size]))
            .collect();
        described.push(json!({
            "index": index,
            "flags": region.flags,
            "size": region.size,
            "capabilities": region.capabilities,
            "mmap": areas,
        }));
    }
    let interrupts: Vec<_> = (0..kinds)
        .map(|kind| device.interrupts(kind).ok())
        .collect();
    // Without migration the answer is 0, or ENOTTY, as the kernel and its options have it.
    let offered = migration::flags(&device);
    let mut migration = json!({
        "flags": offered.as_ref().ok().map(|&flags| migration::flag_names(flags)),
        "log": log_offered(device.file()),
        "errno": offered.as_ref().err().and_then(|error| error.errno()),
    });
    if offered.is_ok_and(|flags| flags != 0) {
        migration["state"] = json!(format!("{:?}", migration::state(&device)?));
        migration["data_size"] = json!(migration::data_size(&device).ok());
        migration["precopy_v2"] = json!(migration::use_precopy_v2(&device)?);
    }
    Ok(json!({
        "device": address,
        "flags": flags,
        "regions": described,
        "interrupts": interrupts,
        "migration": migration,
    }))
}
