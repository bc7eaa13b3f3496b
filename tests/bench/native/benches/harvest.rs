// SPDX-License-Identifier: GPL-2.0

//! Nanoseconds of harvest, retirement, save and load.

use criterion::Criterion;
use native_bench::{Ring, State};
use std::hint::black_box;

/// Descriptors of igbvf's ring.
const COUNT: u16 = 256;
/// Large enough for any state.
const ROOM: usize = 1 << 16;
/// A whole state, behind a byte of the fuzzer's.
const STATE: &[u8] = include_bytes!("../../../fuzz/corpus/state/01.bin");

fn rings(criterion: &mut Criterion) {
    let mut ring = Ring::new(COUNT);
    criterion.bench_function("harvest", |bencher| {
        bencher.iter(|| black_box(&mut ring).harvest());
    });
    assert!(ring.is_harvested());
    criterion.bench_function("copy", |bencher| {
        bencher.iter(|| black_box(&mut ring).copy());
    });
    criterion.bench_function("retire", |bencher| {
        bencher.iter(|| black_box(black_box(&mut ring).retire()));
    });
}

fn states(criterion: &mut Criterion) {
    let state = State::new(&STATE[1..]).expect("the corpus holds a whole state");
    let mut room = [0; ROOM];
    println!("state: {} bytes", state.save(&mut room));
    criterion.bench_function("save", |bencher| {
        bencher.iter(|| black_box(&state).save(black_box(&mut room)));
    });
    criterion.bench_function("load", |bencher| {
        bencher.iter(|| assert!(black_box(&state).load()));
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    rings(&mut criterion);
    states(&mut criterion);
    criterion.final_summary();
}
