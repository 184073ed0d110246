//! `Walk` computes prices that change at random (pure: the seed is an argument).

use serde::Serialize;

pub(crate) const SYMBOLS: [&str; 8] =
    ["AQUA", "BREW", "COIL", "DUNE", "ECHO", "FERN", "GLOW", "HAZE"];

/// The largest change of a price by one update, as a fraction of the price.
const MAX_STEP: f64 = 0.002;
/// How far one update pulls a price back to its first value, as a fraction of the distance. Without
/// this, prices would leave the chart.
const PULL: f64 = 0.0001;

/// A new price.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Update {
    pub(crate) symbol: &'static str,
    pub(crate) price: f64,
    /// The number of updates of this symbol, including this one.
    pub(crate) number: u64,
}

/// The prices of all symbols.
#[derive(Debug)]
pub(crate) struct Walk {
    prices: [f64; SYMBOLS.len()],
    numbers: [u64; SYMBOLS.len()],
    random: u64,
}

impl Walk {
    pub(crate) fn new(seed: u64) -> Self {
        let prices = std::array::from_fn(first_price);
        Self { prices, numbers: [0; SYMBOLS.len()], random: seed }
    }

    /// The first price of each symbol, so that the page can show every symbol at once.
    pub(crate) fn first(&mut self) -> [Update; SYMBOLS.len()] {
        std::array::from_fn(|index| self.update(index))
    }

    /// Changes the price of one symbol.
    pub(crate) fn step(&mut self) -> Update {
        let index = self.next_random() as usize % SYMBOLS.len();
        // An `f64` between 0 and 1 has 53 bits.
        let part = (self.next_random() >> 11) as f64 / (1_u64 << 53) as f64;
        let step = self.prices[index] * MAX_STEP * (2.0 * part - 1.0);
        self.prices[index] += step + PULL * (first_price(index) - self.prices[index]);
        self.update(index)
    }

    /// The number of updates of all symbols.
    pub(crate) fn updates(&self) -> u64 {
        self.numbers.iter().sum()
    }

    fn update(&mut self, index: usize) -> Update {
        self.numbers[index] += 1;
        let price = (self.prices[index] * 100.0).round() / 100.0;
        Update { symbol: SYMBOLS[index], price, number: self.numbers[index] }
    }

    /// SplitMix64, which is good enough for prices and gives the same numbers on every machine.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The first prices are far apart, so that the lines of the chart are, too.
fn first_price(index: usize) -> f64 {
    60.0 + 12.0 * index as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_prices_again() {
        let prices = |seed| {
            let mut walk = Walk::new(seed);
            std::iter::repeat_with(|| walk.step()).take(1_000).collect::<Vec<_>>()
        };
        assert_eq!(prices(7), prices(7));
        assert_ne!(prices(7), prices(8));
    }

    #[test]
    fn each_symbol_counts_its_updates_and_keeps_a_price_near_its_first() {
        let mut walk = Walk::new(1);
        let mut last = walk.first();
        for _ in 0..200_000 {
            let update = walk.step();
            let before = last.iter_mut().find(|last| last.symbol == update.symbol).unwrap();
            assert_eq!(update.number, before.number + 1);
            *before = update;
        }
        for (index, update) in last.iter().enumerate() {
            let part = update.price / first_price(index);
            assert!((0.7..1.4).contains(&part), "{update:?}");
        }
        assert_eq!(walk.updates(), 200_008);
    }
}
