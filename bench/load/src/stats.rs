//! Medians, spread and percentiles (pure).

/// The summary of one measure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Summary {
    /// `None` without values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { median, least, most })
    }
}

/// The median, and the values between which half of all values are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quartiles {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl Quartiles {
    /// `None` without values. A quartile between two values is interpolated.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        let last = sorted.len().checked_sub(1)?;
        let at = |share: f64| {
            let place = last as f64 * share;
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Self { lower: at(0.25), median: at(0.5), upper: at(0.75) })
    }
}

/// The median of some samples, and the interval in which the true median is with a certainty of at
/// least 95 %, whatever the distribution of the samples. The interval is between two of the samples
/// (J. D. Gibbons, S. Chakraborti, *Nonparametric Statistical Inference*, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct IntervalOfMedian {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl IntervalOfMedian {
    /// `None` for fewer than six samples, because no interval between them is that certain, and for
    /// more than 1,000, because the smallest probabilities are then no `f64`.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        let count = sorted.len();
        if count > 1_000 {
            return None;
        }
        // How likely it is that exactly so many of the samples are below the true median, and that
        // so many or fewer are.
        let mut exactly = 0.5_f64.powi(i32::try_from(count).ok()?);
        let mut at_most = exactly;
        let mut outside = 0;
        while at_most <= 0.025 {
            outside += 1;
            exactly *= (count + 1 - outside) as f64 / outside as f64;
            at_most += exactly;
        }
        let lower = outside.checked_sub(1)?;
        let median = Summary::of(values)?.median;
        Some(Self { lower: sorted[lower], median, upper: sorted[count - 1 - lower] })
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The value that this share of the samples does not exceed, or 0 without samples. Sorts the
/// samples.
pub(crate) fn percentile(samples: &mut [u64], share: f64) -> f64 {
    samples.sort_unstable();
    let rank = (samples.len() as f64 * share).ceil() as usize;
    samples.get(rank.saturating_sub(1)).map_or(0.0, |&sample| sample as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        let summary = |values: &[f64]| Summary::of(values).map(|of| (of.median, of.least, of.most));
        assert_eq!(summary(&[3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(summary(&[4.0, 1.0, 2.0, 3.0]), Some((2.5, 1.0, 4.0)));
        assert_eq!(summary(&[1.0, f64::INFINITY, 2.0]), Some((2.0, 1.0, f64::INFINITY)));
        assert_eq!(summary(&[]), None);
    }

    #[test]
    fn half_of_the_values_are_between_the_quartiles() {
        let quartiles =
            |values: &[f64]| Quartiles::of(values).map(|of| (of.lower, of.median, of.upper));
        assert_eq!(quartiles(&[5.0, 1.0, 4.0, 2.0, 3.0]), Some((2.0, 3.0, 4.0)));
        assert_eq!(quartiles(&[4.0, 2.0, 1.0, 3.0]), Some((1.75, 2.5, 3.25)));
        assert_eq!(quartiles(&[7.0]), Some((7.0, 7.0, 7.0)));
        assert_eq!(quartiles(&[]), None);
    }

    #[test]
    fn the_interval_of_the_median_has_the_ranks_of_the_tables() {
        let ranks = |count: u32| {
            let values: Vec<f64> = (1..=count).rev().map(f64::from).collect();
            IntervalOfMedian::of(&values).map(|of| (of.lower, of.upper))
        };
        assert_eq!((0..6).map(ranks).collect::<Vec<_>>(), [None; 6]);
        let expected =
            [(6, 1.0, 6.0), (9, 2.0, 8.0), (15, 4.0, 12.0), (25, 8.0, 18.0), (100, 40.0, 61.0)];
        for (count, lower, upper) in expected {
            assert_eq!(ranks(count), Some((lower, upper)), "{count} values");
        }
    }

    #[test]
    fn a_percentile_is_one_of_the_samples() {
        let mut samples: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(percentile(&mut samples, 0.5), 50.0);
        assert_eq!(percentile(&mut samples, 0.99), 99.0);
        assert_eq!(percentile(&mut samples, 1.0), 100.0);
        assert_eq!(percentile(&mut [7], 0.5), 7.0);
        assert_eq!(percentile(&mut [], 0.5), 0.0);
    }
}
