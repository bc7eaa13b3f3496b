// SPDX-License-Identifier: GPL-2.0

//! `vfclient`: see Documentation/tools.rst.

use anyhow::Context;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
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
    /// Packets between two VFs of one wire
    Traffic {
        /// The guest's VF
        #[arg(long)]
        from: String,
        /// Its peer's VF
        #[arg(long)]
        peer: String,
        /// Bursts each way
        #[arg(long, default_value_t = 50)]
        rounds: u32,
        #[command(flatten)]
        common: Common,
    },
}

fn run(command: Command) -> anyhow::Result<bool> {
    let result = match command {
        Command::Info { device, common } => commands::info::run(&device, common.backend),
        Command::Traffic {
            from,
            peer,
            rounds,
            common,
        } => commands::traffic::run(&from, &peer, rounds, common),
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
