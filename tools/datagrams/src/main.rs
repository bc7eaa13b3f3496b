// SPDX-License-Identifier: GPL-2.0

//! `datagrams`: see Documentation/tools.rst.

mod datagram;

use anyhow::{bail, Context, Result};
use clap::Parser;
use datagram::{Run, Wrong};
use serde_json::json;
use std::{
    collections::HashSet,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant},
};

/// Datagrams that lie in a socket's buffer, where the NIC has put them, until they are
/// read and each byte of them is verified.
///
/// Prints JSON; the exit status is 0 if nothing was wrong.
#[derive(Parser)]
enum Arguments {
    /// Send numbered datagrams, and others beside them that nobody reads
    Send {
        /// Whom the numbered ones go to
        to: SocketAddr,
        /// Whom all others go to
        beside: SocketAddr,
        /// The run, which the receiver is told too
        #[arg(long)]
        run: u64,
        /// Numbered ones per second
        #[arg(long)]
        rate: u32,
        /// Ends when this file is there
        #[arg(long)]
        until: PathBuf,
    },
    /// Let datagrams lie, then read and verify them
    Keep {
        /// Port to receive at
        port: u16,
        /// Whose datagrams they are
        #[arg(long)]
        run: u64,
        /// They are read when this file is there
        #[arg(long)]
        until: PathBuf,
    },
}

/// Longest that any command lasts.
const LIMIT: Duration = Duration::from_secs(3600);
const PAUSE: Duration = Duration::from_millis(50);
/// Datagrams that are sent between two looks at the clock and for the file.
const BURST: u32 = 16;
/// Which wrong ones are named.
const NAMED: usize = 20;
/// Room for any datagram.
const ANY_FRAME: usize = 2048;

fn send(
    to: SocketAddr,
    beside: SocketAddr,
    run: Run,
    rate: u32,
    until: &Path,
) -> Result<serde_json::Value> {
    let socket = UdpSocket::bind("0.0.0.0:0").context("a socket")?;
    let filling = [0x55; 1400];
    let (mut numbered, mut others) = (0u64, 0u64);
    let start = Instant::now();
    // What does not get out now, as while there is no link, is lost as on any wire.
    let put = |bytes: &[u8], whom: SocketAddr| socket.send_to(bytes, whom).is_ok();
    while !until.exists() {
        let passed = start.elapsed();
        if passed > LIMIT {
            bail!("nobody ended this");
        }
        let due = (passed.as_secs_f64() * f64::from(rate)) as u64;
        while numbered < due {
            put(&run.build(numbered), to);
            numbered += 1;
        }
        for _ in 0..BURST {
            others += u64::from(put(&filling, beside));
        }
    }
    Ok(json!({
        "sent": numbered,
        "others": others,
        "seconds": start.elapsed().as_secs_f64(),
        "passed": true,
    }))
}

fn keep(port: u16, run: Run, until: &Path) -> Result<serde_json::Value> {
    let socket = UdpSocket::bind(("0.0.0.0", port)).context(format!("port {port}"))?;
    let start = Instant::now();
    while !until.exists() {
        if start.elapsed() > LIMIT {
            bail!("nobody ended this");
        }
        sleep(PAUSE);
    }
    socket
        .set_nonblocking(true)
        .context("reading what is there")?;
    let (mut numbers, mut bytes) = (HashSet::new(), [0; ANY_FRAME]);
    let (mut wrong, mut read, mut last) = (Vec::new(), 0u64, 0);
    loop {
        let length = match socket.recv(&mut bytes) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error).context("reading a datagram"),
        };
        read += 1;
        match run.check(bytes.get(..length).unwrap_or(&[])) {
            Ok(number) if numbers.insert(number) => last = last.max(number),
            Ok(number) => wrong.push(format!("{number} is there twice")),
            Err(Wrong::Length) => wrong.push(format!("number {read} has {length} bytes")),
            Err(Wrong::Changed) => wrong.push(format!("number {read} is not as it was sent")),
            Err(Wrong::Old) => wrong.push(format!("number {read} is another run's")),
        }
    }
    Ok(json!({
        "read": read,
        "last": last,
        "wrong": wrong.len(),
        "named": wrong.get(..NAMED.min(wrong.len())),
        "passed": wrong.is_empty(),
    }))
}

fn main() -> ExitCode {
    let result = match Arguments::parse() {
        Arguments::Send {
            to,
            beside,
            run,
            rate,
            until,
        } => send(to, beside, Run(run), rate, &until),
        Arguments::Keep { port, run, until } => keep(port, Run(run), &until),
    };
    match result {
        Ok(report) => {
            println!("{report}");
            ExitCode::from(u8::from(report["passed"] != true))
        }
        Err(error) => {
            eprintln!("datagrams: {error:#}");
            ExitCode::from(2)
        }
    }
}
