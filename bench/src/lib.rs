//! An empty library: the benchmarks are in `benches/`, one file for each thing that is measured.
