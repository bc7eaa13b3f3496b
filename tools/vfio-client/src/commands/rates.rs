// SPDX-License-Identifier: GPL-2.0

//! How fast packets go while a VF is logged, and while it is not.

use super::{mac, roundtrip::require_migration, Pair};
use crate::{
    bench::Guest,
    dirty::Channel,
    driver::{Kind, Sending},
    error::{Error, Result},
    frame::Mac,
    iommu::Backend,
    trapped::{self, counter, Log, Shared},
    truth::seed::Transport,
};
use rand::{rngs::SmallRng, SeedableRng};
use serde_json::{json, Map, Value};
use std::time::{Duration, Instant};

/// Whose packets are counted.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Where packets go between
    #[command(flatten)]
    pub vfs: Pair,
    /// How doorbells are trapped
    #[arg(long, value_enum)]
    pub transport: Transport,
    /// How pages are reported
    #[arg(long, value_enum, default_value = "scope")]
    pub channel: Channel,
    /// How devices get memory
    #[arg(long, value_enum, default_value = "container")]
    pub backend: Backend,
    /// Milliseconds of each sample
    #[arg(long, default_value_t = 1000)]
    pub time: u64,
    /// Samples of each kind
    #[arg(long, default_value_t = 1)]
    pub rounds: u32,
}

/// Descriptors of each ring: igbvf's.
const RING: u32 = 256;
/// Packets for each doorbell: igbvf gives back so many buffers at a time.
const BURST: u32 = 16;
const PROCESSORS: usize = 1;
/// Bytes of packets without a frame check sequence.
const SMALL: usize = 60;
const LARGE: usize = 1514;
/// How much of a sample is done before, so that memory and code have been used once.
const WARM_UP: u32 = 4;
/// A type of packets for experiments.
const TYPE: u16 = 0x88b5;

/// A packet that drivers count and do not look at.
fn packet(from: Mac, to: Mac, length: usize) -> Vec<u8> {
    let mut packet = [&to[..], &from[..], &TYPE.to_be_bytes()].concat();
    packet.resize(length, 0);
    packet
}

/// Sends so long from one to the other. Packets that came in a second.
fn flow(
    from: &mut Guest<Shared>,
    to: &mut Guest<Shared>,
    length: usize,
    time: Duration,
) -> Result<f64> {
    let packet = packet(from.driver.mac(), to.driver.mac(), length);
    let (began, mut came) = (Instant::now(), 0);
    while began.elapsed() < time {
        for _ in 0..BURST {
            let fitted = from
                .driver
                .post(&from.memory, 0, &packet, Sending::default())?;
            if !fitted {
                break;
            }
        }
        from.driver.doorbell(0)?;
        from.driver.reclaim(&from.memory, 0)?;
        let (_, counted) = to.driver.receive(&to.memory, 0, usize::MAX)?;
        came += counted;
    }
    match came {
        0 => Err(Error::Wrong("no packets come".into())),
        _ => Ok(came as f64 / began.elapsed().as_secs_f64()),
    }
}

/// Packets in a second of each size and direction, as the guest sees them.
fn sample(guest: &mut Guest<Shared>, peer: &mut Guest<Shared>, time: Duration) -> Result<Value> {
    let mut rates = Map::new();
    for (size, length) in [("small", SMALL), ("large", LARGE)] {
        flow(peer, guest, length, time / WARM_UP)?;
        rates.insert(
            format!("rx_{size}"),
            json!(flow(peer, guest, length, time)?),
        );
        flow(guest, peer, length, time / WARM_UP)?;
        rates.insert(
            format!("tx_{size}"),
            json!(flow(guest, peer, length, time)?),
        );
    }
    Ok(rates.into())
}

fn start(options: &Options, name: &str, transport: Transport, mac: Mac) -> Result<Guest<Shared>> {
    let size = trapped::memory_for(Kind::Igbvf, RING);
    let open = trapped::open(name, options.backend, transport, PROCESSORS, size)?;
    let mut rng = SmallRng::seed_from_u64(1);
    trapped::start(open, Kind::Igbvf, mac, RING, &mut rng)
}

/// `vfclient rates`
pub fn run(options: &Options) -> Result<Value> {
    let mut rng = SmallRng::seed_from_u64(1);
    let time = Duration::from_millis(options.time);
    // Nothing of the peer's is ever trapped.
    let mut peer = start(options, &options.vfs.peer, Transport::Fixed, mac(2))?;
    let mut guest = start(options, &options.vfs.device, options.transport, mac(1))?;
    let device = guest.driver.registers().device().clone();
    require_migration(&device)?;
    let (mut off, mut on) = (Vec::new(), Vec::new());
    let trapped = || counter(&options.vfs.device, "trapped_writes");
    let mut trapped_writes = 0;
    for _ in 0..options.rounds {
        off.push(sample(&mut guest, &mut peer, time)?);
        let before = trapped()?;
        let log = Log::begin(&device, options.channel, &guest.memory, &mut rng)?;
        on.push(sample(&mut guest, &mut peer, time)?);
        log.end(&device)?;
        trapped_writes += trapped()? - before;
    }
    for guest in [&guest, &peer] {
        guest.driver.close()?;
    }
    Ok(json!({
        "off": off,
        "on": on,
        "trapped_writes": trapped_writes,
        "bytes": { "small": SMALL, "large": LARGE },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{self, NoFrame};

    #[test]
    fn packets_are_counted_and_not_looked_at() {
        for length in [SMALL, LARGE] {
            let packet = packet(mac(1), mac(2), length);
            assert_eq!(packet.len(), length);
            assert_eq!(packet[..6], mac(2));
            assert_eq!(frame::recognise(&packet), Err(NoFrame::Foreign));
        }
    }
}
