// SPDX-License-Identifier: GPL-2.0

//! `vfclient`: see Documentation/tools.rst.

use anyhow::Context;
use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};
use vfio_client::commands::{self, Common};

/// Plays VMM and guest at once on a VF that is bound to a vfio driver.
///
/// Prints JSON; the exit status is 0 if everything was as it must be, 1 if
/// something was not, 2 if that could not be found out.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What the kernel says of a device
    Info {
        /// PCI address, as 0000:01:10.0
        device: String,
        #[command(flatten)]
        common: Common,
    },
    /// Packets to and from a VF
    Traffic {
        /// The guest's VF
        #[arg(long)]
        from: String,
        /// A VF to talk to; without, the guest talks to itself
        #[arg(long)]
        peer: Option<String>,
        /// Bursts each way
        #[arg(long, default_value_t = 50)]
        rounds: u32,
        #[command(flatten)]
        common: Common,
    },
    /// Move a guest from one VF to another while packets flow
    Roundtrip {
        /// Where it is
        #[arg(long)]
        from: String,
        /// Where it goes, on another NIC of the same wire
        #[arg(long)]
        to: String,
        /// A VF to talk to; without, the guest talks to itself
        #[arg(long)]
        peer: Option<String>,
        /// Bursts of packets
        #[arg(long, default_value_t = 20)]
        rounds: u32,
        /// Keep the stream in a file, for `vfstate show`
        #[arg(long)]
        save: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// Move several guests at once, which each talk to themselves
    Many {
        /// FROM=TO
        #[arg(required = true, value_parser = pair)]
        moves: Vec<(String, String)>,
        /// Bursts of packets
        #[arg(long, default_value_t = 20)]
        rounds: u32,
        #[command(flatten)]
        common: Common,
    },
    /// Hold what a VF really writes against what the kernel reports of it
    Truth(commands::truth::Options),
    /// Switch the trap on and off while packets flow
    Switch(commands::switch::Options),
    /// Be a hostile guest while its doorbells are trapped
    Hostile(commands::hostile::Options),
    /// Move a guest whose memory comes after it
    Postcopy(commands::postcopy::Options),
    /// What a doorbell of a VM's processor costs, passed through and trapped
    Doorbells(commands::doorbells::Options),
    /// How fast packets go while a VF is logged, and while it is not
    Rates(commands::rates::Options),
    /// What a report of written pages costs
    Reports(commands::reports::Options),
    /// Load forged streams: each is refused, or valid
    Forged {
        /// The VF whose stream is forged
        source: String,
        /// The VF that the streams are loaded into, on another NIC
        target: String,
        /// A VF beside the target, which must not notice
        #[arg(long)]
        neighbour: Option<String>,
        /// How many
        #[arg(long, default_value_t = 100)]
        count: u64,
        /// One with receive rings where no memory is, too: the IOMMU's log tells
        #[arg(long, requires = "neighbour")]
        elsewhere: bool,
        #[command(flatten)]
        common: Common,
    },
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (from, to) = text.split_once('=').ok_or("not of the form FROM=TO")?;
    Ok((from.into(), to.into()))
}

fn run(command: Command) -> anyhow::Result<bool> {
    let result = match command {
        Command::Info { device, common } => commands::info::run(&device, common.backend),
        Command::Traffic {
            from,
            peer,
            rounds,
            common,
        } => commands::traffic::run(&from, peer.as_deref(), rounds, common),
        Command::Roundtrip {
            from,
            to,
            peer,
            rounds,
            save,
            common,
        } => commands::roundtrip::run(&from, &to, peer.as_deref(), rounds, save.as_deref(), common),
        Command::Truth(options) => commands::truth::run(&options),
        Command::Switch(options) => commands::switch::run(&options),
        Command::Hostile(options) => commands::hostile::run(&options),
        Command::Postcopy(options) => commands::postcopy::run(&options),
        Command::Reports(options) => commands::reports::run(&options),
        Command::Rates(options) => commands::rates::run(&options),
        Command::Doorbells(options) => commands::doorbells::run(&options),
        Command::Forged {
            source,
            target,
            neighbour,
            count,
            elsewhere,
            common,
        } => commands::forged::run(
            &source,
            &target,
            neighbour.as_deref(),
            count,
            elsewhere,
            common,
        ),
        Command::Many {
            moves,
            rounds,
            common,
        } => commands::roundtrip::many(&moves, rounds, common),
    }?;
    let passed = result
        .get("passed")
        .and_then(|value| value.as_bool())
        .unwrap_or(true);
    println!(
        "{}",
        serde_json::to_string_pretty(&result).context("printing")?
    );
    Ok(passed)
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("vfclient: {error:#}");
            ExitCode::from(2)
        }
    }
}
