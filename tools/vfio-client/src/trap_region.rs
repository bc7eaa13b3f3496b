// SPDX-License-Identifier: GPL-2.0

//! The dynamic-trap region of a device, as a VMM uses it
//! (include/uapi/linux/vfio_mediate.h).

use crate::{
    device::Device,
    error::{Context, Error, Result},
    region::{Area, Region},
    registers::Bar,
};
use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    thread::{spawn, JoinHandle},
};
use vmm_sys_util::eventfd::{EventFd, EFD_NONBLOCK};

/// Type and subtype.
const KIND: (u32, u32) = (0x4d45_4454, 1);
const VERSION: u32 = 1;

const CONTROL: u64 = 0x10;
const EVENT: u64 = 0x14;
const ACK: u64 = 0x20;
const RETRY: u64 = 0x28;
const HEADER: usize = 0x40;
const WINDOW: usize = 24;

/// Bits of CONTROL.
const OPT_IN: u32 = 1;
const PREFAULT: u32 = 2;

/// A window that can be mapped can be trapped.
const NEVER_MAPPED: u32 = 1;

/// A range of a BAR that can be trapped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// Index of the BAR.
    pub bar: u32,
    /// It can be mapped while it is not trapped.
    pub mappable: bool,
    /// Where it is.
    pub area: Area,
}

/// What the region says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct View {
    /// What is switched on.
    pub control: u32,
    /// Windows that must not be mapped, a bit each.
    pub wanted: u32,
    /// How often that has changed.
    pub sequence: u32,
    /// What was acknowledged last.
    pub ack: u32,
    /// Windows that are trapped, a bit each.
    pub trapped: u32,
    /// First byte and bytes of missing memory.
    pub fault: (u64, u64),
    /// The windows.
    pub windows: Vec<Window>,
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..)?.first_chunk().copied()
}

impl View {
    /// Reads it; None if it is not of our version, or not whole.
    pub fn parse(region: &[u8]) -> Option<Self> {
        let word = |at| bytes(region, at).map(u32::from_le_bytes);
        let quad = |at| bytes(region, at).map(u64::from_le_bytes);
        if word(0)? != VERSION || word(12)? as usize != WINDOW {
            return None;
        }
        let window = |at: usize| {
            Some(Window {
                bar: word(at)?,
                mappable: word(at + 4)? & NEVER_MAPPED == 0,
                area: Area {
                    offset: quad(at + 8)?,
                    size: quad(at + 16)?,
                },
            })
        };
        let windows = (0..word(8)? as usize)
            .map(|index| window(HEADER + index * WINDOW))
            .collect::<Option<_>>()?;
        Some(Self {
            control: word(0x10)?,
            wanted: word(0x18)?,
            sequence: word(0x1c)?,
            ack: word(0x20)?,
            trapped: word(0x24)?,
            fault: (quad(0x30)?, quad(0x38)?),
            windows,
        })
    }

    /// Whether a window must not be mapped.
    pub fn is_wanted(&self, index: usize) -> bool {
        index < 32 && self.wanted >> index & 1 != 0
    }
}

/// The region of an open device.
pub struct TrapRegion {
    device: Arc<Device>,
    region: Region,
}

impl TrapRegion {
    /// Finds it.
    pub fn find(device: &Arc<Device>) -> Result<Self> {
        let (_, regions, _) = device.info()?;
        let region = (0..regions)
            .filter_map(|index| device.region(index).ok())
            .find(|region| region.kind == Some(KIND))
            .ok_or_else(|| {
                Error::Wrong(format!("{}: there is no trap region", device.address()))
            })?;
        Ok(Self {
            device: device.clone(),
            region,
        })
    }

    /// What it says.
    pub fn view(&self) -> Result<View> {
        let mut bytes = vec![0; self.region.size as usize];
        self.device.read(&self.region, 0, &mut bytes)?;
        View::parse(&bytes)
            .ok_or_else(|| Error::Wrong("the trap region does not hang together".into()))
    }

    fn write(&self, offset: u64, value: u32) -> Result<()> {
        self.device
            .write(&self.region, offset, &value.to_le_bytes())
    }

    /// Takes part, before anything is mapped.
    pub fn opt_in(&self) -> Result<()> {
        self.write(CONTROL, OPT_IN)
    }

    /// Has doorbells refused whose memory is missing, or no longer.
    pub fn set_prefault(&self, on: bool) -> Result<()> {
        self.write(CONTROL, OPT_IN | if on { PREFAULT } else { 0 })
    }

    /// Has an eventfd signalled when the wanted windows change.
    pub fn set_event(&self, event: &EventFd) -> Result<()> {
        use std::os::fd::AsRawFd;
        self.write(EVENT, event.as_raw_fd() as u32)
    }

    /// The wanted windows are not mapped.
    pub fn acknowledge(&self, sequence: u32) -> Result<()> {
        self.write(ACK, sequence)
    }

    /// Has the device given what waits for memory.
    pub fn retry(&self) -> Result<()> {
        self.write(RETRY, 1)
    }
}

/// `areas` in pieces, so that each window among them is one, or some.
pub fn cut(areas: &[Area], windows: &[Area]) -> Vec<Area> {
    let mut pieces = Vec::new();
    for area in areas {
        let end = area.offset + area.size;
        let borders = windows
            .iter()
            .flat_map(|window| [window.offset, window.offset + window.size]);
        let mut borders: Vec<_> = borders
            .filter(|&at| area.offset < at && at < end)
            .chain([area.offset, end])
            .collect();
        borders.sort_unstable();
        borders.dedup();
        pieces.extend(borders.windows(2).map(|pair| Area {
            offset: pair[0],
            size: pair[1] - pair[0],
        }));
    }
    pieces
}

/// Opts in, and maps BAR 0 in pieces that can be unmapped apart.
pub fn open_bar(device: &Arc<Device>) -> Result<(TrapRegion, Bar)> {
    let region = TrapRegion::find(device)?;
    region.opt_in()?;
    let windows: Vec<_> = region.view()?.windows.iter().map(|w| w.area).collect();
    let bar = Bar::in_pieces(device.clone(), |areas| cut(areas, &windows))?;
    Ok((region, bar))
}

/// Maps and unmaps what the region wants.
pub fn obey(region: &TrapRegion, bar: &Bar) -> Result<()> {
    loop {
        let view = region.view()?;
        for (index, window) in view.windows.iter().enumerate() {
            if window.bar == 0 && window.mappable {
                bar.set_mapped(window.area, !view.is_wanted(index))?;
            }
        }
        match region.acknowledge(view.sequence) {
            Err(error) if error.errno() == Some(libc::ESTALE) => {}
            other => return other,
        }
    }
}

/// A BAR whose windows are mapped as the region wants, by a thread of its own.
pub struct Obedient {
    bar: Arc<Bar>,
    event: EventFd,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Obedient {
    /// Opts in, and obeys from then on.
    pub fn new(device: &Arc<Device>) -> Result<Self> {
        let (region, bar) = open_bar(device)?;
        let bar = Arc::new(bar);
        let event = EventFd::new(EFD_NONBLOCK).context("an eventfd")?;
        region.set_event(&event)?;
        let ended = Arc::new(AtomicBool::new(false));
        let thread = {
            let (bar, ended) = (bar.clone(), ended.clone());
            let event = event.try_clone().context("an eventfd")?;
            spawn(move || serve(&region, &bar, &event, &ended))
        };
        Ok(Self {
            bar,
            event,
            ended,
            thread: Some(thread),
        })
    }

    /// The BAR.
    pub fn bar(&self) -> &Bar {
        &self.bar
    }
}

impl Drop for Obedient {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // It is read within a moment in any case.
        let _ = self.event.write(1);
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            eprintln!("vfclient: the trap region: {error}");
        }
    }
}

fn serve(region: &TrapRegion, bar: &Bar, event: &EventFd, ended: &AtomicBool) -> Result<()> {
    loop {
        crate::abi::poll::readable(event).context("waiting for an eventfd")?;
        if ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        if event.read().is_ok() {
            obey(region, bar)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(offset: u64, size: u64) -> Area {
        Area { offset, size }
    }

    #[test]
    fn windows_are_pieces_of_their_own() {
        let windows = [area(0x2000, 0x1000), area(0x3000, 0x1000)];
        assert_eq!(
            cut(&[area(0x1000, 0x4000)], &windows),
            [
                area(0x1000, 0x1000),
                area(0x2000, 0x1000),
                area(0x3000, 0x1000),
                area(0x4000, 0x1000)
            ]
        );
        assert_eq!(
            cut(&[area(0, 0x1000), area(0x2800, 0x400)], &windows),
            [area(0, 0x1000), area(0x2800, 0x400)]
        );
    }

    #[test]
    fn a_view_is_laid_out_as_in_the_header() {
        let mut region = vec![0; 4096];
        let words = [
            1,
            0x58,
            1,
            24,
            1,
            u32::MAX,
            3,
            8,
            7,
            1,
            0,
            0,
            0x1000,
            1,
            0x2000,
            0,
            0,
            1,
            0x3000,
            0,
            0x1000,
            0,
        ];
        for (place, word) in region.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let view = View::parse(&region).unwrap();
        assert_eq!((view.wanted, view.sequence, view.ack), (3, 8, 7));
        assert_eq!(view.fault, (0x1_0000_1000, 0x2000));
        assert_eq!(view.windows[0].area, area(0x3000, 0x1000));
        assert!(!view.windows[0].mappable && view.is_wanted(1) && !view.is_wanted(2));
        assert_eq!(View::parse(&region[..0x50]), None);
        region[0] = 2;
        assert_eq!(View::parse(&region), None);
    }
}
