// SPDX-License-Identifier: GPL-2.0

//! VFIO migration, version 2: states, the data file, what QEMU asks beside.

use crate::abi::uapi::{
    vfio_device_mig_state_VFIO_DEVICE_STATE_ERROR as ERROR,
    vfio_device_mig_state_VFIO_DEVICE_STATE_PRE_COPY as PRE_COPY,
    vfio_device_mig_state_VFIO_DEVICE_STATE_PRE_COPY_P2P as PRE_COPY_P2P,
    vfio_device_mig_state_VFIO_DEVICE_STATE_RESUMING as RESUMING,
    vfio_device_mig_state_VFIO_DEVICE_STATE_RUNNING as RUNNING,
    vfio_device_mig_state_VFIO_DEVICE_STATE_RUNNING_P2P as RUNNING_P2P,
    vfio_device_mig_state_VFIO_DEVICE_STATE_STOP as STOP,
    vfio_device_mig_state_VFIO_DEVICE_STATE_STOP_COPY as STOP_COPY, vfio_precopy_info,
    VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 as PRECOPY_INFO_V2, VFIO_DEVICE_FEATURE_GET,
    VFIO_DEVICE_FEATURE_MIGRATION, VFIO_DEVICE_FEATURE_MIG_DATA_SIZE,
    VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, VFIO_DEVICE_FEATURE_SET, VFIO_MIGRATION_P2P,
    VFIO_MIGRATION_PRE_COPY, VFIO_MIGRATION_STOP_COPY, VFIO_PRECOPY_INFO_REINIT,
};
use crate::{
    abi::ioctl::{self, exchange, own, Buffer},
    device::Device,
    error::{Context, Error, Result},
};
use rand::{rngs::SmallRng, Rng};
use std::{
    fs::File,
    io::{self, Read, Write},
};

/// A state of a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum State {
    /// Lost; only a reset helps.
    Error = ERROR,
    /// Stopped.
    Stop = STOP,
    /// Running.
    Running = RUNNING,
    /// Stopped, its state can be read.
    StopCopy = STOP_COPY,
    /// Stopped, takes a state.
    Resuming = RESUMING,
    /// Running without starting DMA.
    RunningP2p = RUNNING_P2P,
    /// Running, a state can be read.
    PreCopy = PRE_COPY,
    /// Both of the last two.
    PreCopyP2p = PRE_COPY_P2P,
}

const STATES: [State; 8] = [
    State::Error,
    State::Stop,
    State::Running,
    State::StopCopy,
    State::Resuming,
    State::RunningP2p,
    State::PreCopy,
    State::PreCopyP2p,
];

impl State {
    /// The state that the uAPI numbers so.
    pub fn from_number(number: u32) -> Option<Self> {
        STATES.into_iter().find(|&state| state as u32 == number)
    }
}

/// What PRECOPY_INFO says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PrecopyInfo {
    /// What is to be read first has changed.
    pub reinit: bool,
    /// Bytes left of it.
    pub initial: u64,
    /// Bytes that came since.
    pub dirty: u64,
}

/// VFIO_DEVICE_FEATURE with eight bytes of data at most, both ways.
fn feature(device: &Device, flags: u32, data: [u8; 8]) -> io::Result<[u8; 8]> {
    let mut buffer = Buffer([0u8; 16]);
    buffer.0[4..8].copy_from_slice(&flags.to_ne_bytes());
    buffer.0[8..].copy_from_slice(&data);
    exchange(device.file(), ioctl::VFIO_DEVICE_FEATURE(), &mut buffer)?;
    let mut answer = [0; 8];
    answer.copy_from_slice(&buffer.0[8..]);
    Ok(answer)
}

fn split(data: [u8; 8]) -> (u32, i32) {
    let [a, b, c, d, e, f, g, h] = data;
    (
        u32::from_ne_bytes([a, b, c, d]),
        i32::from_ne_bytes([e, f, g, h]),
    )
}

/// Which parts of migration the device offers: flags VFIO_MIGRATION_…; 0 or an
/// error if it offers none.
pub fn flags(device: &Device) -> Result<u64> {
    let flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION;
    feature(device, flags, [0; 8])
        .map(u64::from_ne_bytes)
        .context("VFIO_DEVICE_FEATURE_MIGRATION")
}

/// Names of the flags.
pub fn flag_names(flags: u64) -> Vec<&'static str> {
    let names = [
        (VFIO_MIGRATION_STOP_COPY, "stop-copy"),
        (VFIO_MIGRATION_P2P, "p2p"),
        (VFIO_MIGRATION_PRE_COPY, "pre-copy"),
    ];
    names
        .into_iter()
        .filter(|&(bit, _)| flags & u64::from(bit) != 0)
        .map(|(_, name)| name)
        .collect()
}

/// The state a device is in.
pub fn state(device: &Device) -> Result<State> {
    let flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
    let (number, _) = split(feature(device, flags, [0; 8]).context("the migration state")?);
    State::from_number(number).ok_or_else(|| Error::Wrong(format!("no such state: {number}")))
}

/// Asks for a state; a data file comes with those that have one.
pub fn set_state(device: &Device, state: State) -> Result<Option<DataFile>> {
    let flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
    let mut data = [0; 8];
    data[..4].copy_from_slice(&(state as u32).to_ne_bytes());
    data[4..].copy_from_slice(&(-1i32).to_ne_bytes());
    let answer =
        feature(device, flags, data).context(format!("{}: to {state:?}", device.address()))?;
    match split(answer).1 {
        fd if fd >= 0 => Ok(Some(DataFile(own(fd).context("the data file")?))),
        _ => Ok(None),
    }
}

/// As [`set_state`], for states that come with a data file.
pub fn set_state_with_file(device: &Device, state: State) -> Result<DataFile> {
    set_state(device, state)?
        .ok_or_else(|| Error::Wrong(format!("{}: no data file with {state:?}", device.address())))
}

/// Estimate of what STOP_COPY will give.
pub fn data_size(device: &Device) -> Result<u64> {
    let flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE;
    feature(device, flags, [0; 8])
        .map(u64::from_ne_bytes)
        .context("VFIO_DEVICE_FEATURE_MIG_DATA_SIZE")
}

/// Asks for pre-copy information of version 2; false if the kernel has none.
pub fn use_precopy_v2(device: &Device) -> Result<bool> {
    match feature(device, VFIO_DEVICE_FEATURE_SET | PRECOPY_INFO_V2, [0; 8]) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOTTY) => Ok(false),
        Err(error) => Err(error).context("MIG_PRECOPY_INFOv2"),
    }
}

/// How a reading of a state went on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Nothing for now, as in PRE_COPY.
    ForNow,
    /// For good, as in STOP_COPY.
    Final,
}

/// The file that a state is read from or written to.
#[derive(Debug)]
pub struct DataFile(File);

impl DataFile {
    /// Reads until there is no more, in pieces of random size up to `most`.
    pub fn read_all(&mut self, into: &mut Vec<u8>, rng: &mut SmallRng, most: usize) -> Result<End> {
        read_all(&mut self.0, into, rng, most).context("reading a state")
    }

    /// Writes everything in pieces of random size up to `most`.
    pub fn write_all(&mut self, bytes: &[u8], rng: &mut SmallRng, most: usize) -> Result<()> {
        write_all(&mut self.0, bytes, rng, most).context("writing a state")
    }

    /// VFIO_MIG_GET_PRECOPY_INFO.
    pub fn precopy_info(&self) -> Result<PrecopyInfo> {
        let mut info = vfio_precopy_info::default();
        exchange(&self.0, ioctl::VFIO_MIG_GET_PRECOPY_INFO(), &mut info).context("PRECOPY_INFO")?;
        Ok(PrecopyInfo {
            reinit: info.flags & VFIO_PRECOPY_INFO_REINIT != 0,
            initial: info.initial_bytes,
            dirty: info.dirty_bytes,
        })
    }
}

/// Largest piece that is read or written at once.
pub const MOST: usize = 8192;

/// A device that is being saved, in PRE_COPY or later.
#[derive(Debug)]
pub struct Saving {
    file: DataFile,
    /// What was read so far.
    pub stream: Vec<u8>,
}

impl Saving {
    /// To PRE_COPY, and all there is to read then.
    pub fn begin(device: &Device, rng: &mut SmallRng) -> Result<Self> {
        let mut saving = Self {
            file: set_state_with_file(device, State::PreCopy)?,
            stream: Vec::new(),
        };
        let first = saving.file.precopy_info()?;
        saving.pre_copy(rng)?;
        let then = saving.file.precopy_info()?;
        if first.initial == 0 || then.initial != 0 {
            return Err(Error::Wrong(format!(
                "initial bytes of pre-copy: {first:?}, then {then:?}"
            )));
        }
        Ok(saving)
    }

    /// What there is to read in PRE_COPY.
    pub fn pre_copy(&mut self, rng: &mut SmallRng) -> Result<()> {
        match self.file.read_all(&mut self.stream, rng, MOST)? {
            End::ForNow => Ok(()),
            End::Final => Err(Error::Wrong("the stream ended in PRE_COPY".into())),
        }
    }

    /// VFIO_MIG_GET_PRECOPY_INFO.
    pub fn info(&self) -> Result<PrecopyInfo> {
        self.file.precopy_info()
    }

    /// To PRE_COPY_P2P.
    pub fn quiesce(&mut self, device: &Device) -> Result<()> {
        set_state(device, State::PreCopyP2p).map(drop)
    }

    /// To STOP_COPY, the rest, and to STOP; the whole stream.
    pub fn finish(mut self, device: &Device, rng: &mut SmallRng) -> Result<Vec<u8>> {
        if set_state(device, State::StopCopy)?.is_some() {
            return Err(Error::Wrong("a second data file with STOP_COPY".into()));
        }
        match self.file.read_all(&mut self.stream, rng, MOST)? {
            End::Final => {}
            End::ForNow => return Err(Error::Wrong("ENOMSG in STOP_COPY".into())),
        }
        set_state(device, State::Stop)?;
        Ok(self.stream)
    }
}

/// Loads a stream into a device that runs without a guest; it is in STOP then.
pub fn load(device: &Device, stream: &[u8], rng: &mut SmallRng) -> Result<()> {
    let mut file = set_state_with_file(device, State::Resuming)?;
    file.write_all(stream, rng, MOST)?;
    set_state(device, State::Stop).map(drop)
}

fn piece(rng: &mut SmallRng, most: usize) -> usize {
    // As often one byte or few as many.
    let bits = rng.random_range(0..=usize::BITS - most.leading_zeros());
    rng.random_range(1..=most.min(1 << bits).max(1))
}

fn read_all(
    file: &mut impl Read,
    into: &mut Vec<u8>,
    rng: &mut SmallRng,
    most: usize,
) -> io::Result<End> {
    loop {
        let old = into.len();
        let size = piece(rng, most);
        into.resize(old + size, 0);
        let result = file.read(&mut into[old..]);
        into.truncate(old + *result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => return Ok(End::Final),
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOMSG) => return Ok(End::ForNow),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn write_all(
    file: &mut impl Write,
    mut bytes: &[u8],
    rng: &mut SmallRng,
    most: usize,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let size = piece(rng, most).min(bytes.len());
        match file.write(&bytes[..size]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// Takes and gives at most three bytes at a time, and ends as it is told.
    struct Slow {
        bytes: Vec<u8>,
        end: Option<i32>,
    }

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.bytes.is_empty() {
                return match self.end {
                    Some(errno) => Err(io::Error::from_raw_os_error(errno)),
                    None => Ok(0),
                };
            }
            let count = buffer.len().min(3).min(self.bytes.len());
            for (place, byte) in buffer.iter_mut().zip(self.bytes.drain(..count)) {
                *place = byte;
            }
            Ok(count)
        }
    }

    impl Write for Slow {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            let count = buffer.len().min(3);
            self.bytes.extend(&buffer[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn partial_reads_and_writes_lose_nothing() {
        let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
        for seed in 0..20 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let mut file = Slow {
                bytes: Vec::new(),
                end: None,
            };
            write_all(&mut file, &bytes, &mut rng, 4096).unwrap();
            assert_eq!(file.bytes, bytes);
            let mut read = vec![9];
            assert_eq!(
                read_all(&mut file, &mut read, &mut rng, 4096).unwrap(),
                End::Final
            );
            assert_eq!(read[0], 9);
            assert_eq!(read[1..], bytes);
        }
    }

    #[test]
    fn the_end_for_now_is_no_error_and_others_are() {
        let mut rng = SmallRng::seed_from_u64(1);
        for (end, expected) in [(libc::ENOMSG, Some(End::ForNow)), (libc::EIO, None)] {
            let mut file = Slow {
                bytes: vec![1; 10],
                end: Some(end),
            };
            let mut read = Vec::new();
            assert_eq!(read_all(&mut file, &mut read, &mut rng, 16).ok(), expected);
            assert_eq!(read, [1; 10]);
        }
    }

    #[test]
    fn pieces_are_never_empty_nor_too_large() {
        let mut rng = SmallRng::seed_from_u64(2);
        for most in [1, 2, 3, 4096] {
            assert!((0..1000)
                .map(|_| piece(&mut rng, most))
                .all(|size| (1..=most).contains(&size)));
        }
    }

    #[test]
    fn states_have_the_numbers_of_the_uapi() {
        for (number, state) in STATES.into_iter().enumerate() {
            assert_eq!(state as usize, number);
            assert_eq!(State::from_number(number as u32), Some(state));
        }
        assert_eq!(State::from_number(8), None);
        assert_eq!(flag_names(7), ["stop-copy", "p2p", "pre-copy"]);
    }
}
