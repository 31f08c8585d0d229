// SPDX-License-Identifier: BSD-2-Clause
// unw_rust DEPTH: main → deeper × DEPTH → burn, through closures and a boxed trait object.
use std::hint::black_box;

trait Step {
    fn step(&self, depth: u32) -> u64;
}

struct Next;

impl Step for Next {
    #[inline(never)]
    fn step(&self, depth: u32) -> u64 {
        deeper(black_box(depth)) + 1
    }
}

#[inline(never)]
fn burn() -> u64 {
    let mut x: u64 = 1;
    loop {
        x = black_box(x.wrapping_mul(3) ^ 5);
        if x == 0 {
            return x;
        }
    }
}

#[inline(never)]
fn deeper(depth: u32) -> u64 {
    if depth <= 1 {
        return burn() + 1;
    }
    let next: Box<dyn Step> = black_box(Box::new(Next));
    next.step(depth - 1) + black_box(1)
}

fn main() {
    let depth = std::env::args().nth(1).and_then(|d| d.parse().ok()).unwrap_or(10);
    println!("{}", deeper(depth));
}
