// SPDX-License-Identifier: BSD-2-Clause
// main → thread → <Wheel<u32> as Step>::step → Wheel<u32>::turn, for about half a second of CPU.
mod engine {
    pub trait Step {
        fn step(&self, n: u64) -> u64;
    }
    pub struct Wheel<T>(pub T);
    impl<T: Copy + Into<u64>> Wheel<T> {
        #[inline(never)]
        pub fn turn(&self, n: u64) -> u64 {
            (0..n).fold(self.0.into(), |x, i| x.wrapping_mul(6364136223846793005) ^ i)
        }
    }
    impl Step for Wheel<u32> {
        #[inline(never)]
        fn step(&self, n: u64) -> u64 {
            self.turn(n) + 1
        }
    }
}
use engine::{Step, Wheel};
fn main() {
    let step: Box<dyn Step + Send> = Box::new(Wheel(std::env::args().count() as u32));
    let worker = std::thread::spawn(move || {
        let mut sum = 0;
        for n in 0..3000 {
            sum ^= step.step(100000 + n);
        }
        sum
    });
    println!("{}", worker.join().unwrap());
}
