// SPDX-License-Identifier: GPL-2.0

//! `vfstate`: see Documentation/tools.rst.

use anyhow::Context;
use clap::{Parser, Subcommand};
use std::{fs, path::PathBuf, process::ExitCode};

/// Prints saved migration streams of VFs.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What a stream holds; the exit status is 1 if a loader would refuse it
    Show {
        /// As JSON, not for people
        #[arg(long)]
        json: bool,
        /// The stream, as `vfclient roundtrip --save` keeps it
        file: PathBuf,
    },
}

fn run() -> anyhow::Result<bool> {
    let Command::Show { json, file } = Arguments::parse().command;
    let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
    let shown = vfstate::show::stream(&bytes);
    if json {
        println!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        print!("{}", vfstate::text::render(&shown));
    }
    Ok(vfstate::show::is_whole(&shown))
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("vfstate: {error:#}");
            ExitCode::from(2)
        }
    }
}
