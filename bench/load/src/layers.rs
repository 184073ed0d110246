//! Summarises a profile: the share of the time that each layer has (pure).

use std::fmt::Write;

use crate::figure::digits;

/// How many symbols the summary shows.
const TOP: usize = 20;

/// Beginnings of symbols, and the layers to which these belong. The first match counts.
const LAYERS: &[(&str, &str)] = &[
    ("volga_sse::hub", "hub"),
    ("volga_sse", "messages and body"),
    ("volga_http::http2", "HTTP/2 driver"),
    ("volga_http", "connection"),
    ("volga_core", "framework"),
    ("volga::", "framework"),
    ("bench_", "handlers"),
    ("h2::", "h2"),
    ("hyper", "hyper"),
    ("httparse", "hyper"),
    ("http::", "http, bytes"),
    // The adapters of this crate are generic, so much of the work of a body is compiled into them.
    ("http_body_util", "body, compiled into its adapters"),
    ("http_body", "http, bytes"),
    ("bytes::", "http, bytes"),
    ("serde", "serde"),
    ("itoa", "serde"),
    ("tokio", "tokio"),
    ("mio::", "tokio"),
    ("futures", "futures"),
    ("core::", "std"),
    ("alloc::", "std"),
    ("std::", "std"),
    ("hashbrown", "std"),
];

/// Functions of the C library that allocate memory. The names of its internal ones begin with
/// `_int_`.
const ALLOCATOR: &[&str] =
    &["malloc", "free", "cfree", "realloc", "calloc", "unlink_chunk", "tcache", "sysmalloc"];

/// How many samples the profiler took in one function.
#[derive(Debug, Eq, PartialEq)]
struct Place {
    samples: u64,
    layer: Option<&'static str>,
    symbol: String,
}

/// The profile as text, from the output of `perf report -F sample,dso,sym -t '|'`. Returns `None`
/// without a sample.
pub(crate) fn describe(report: &str) -> Option<String> {
    let places: Vec<Place> = report.lines().filter_map(place).collect();
    let sum = |fits: &dyn Fn(&Place) -> bool| -> u64 {
        places.iter().filter(|place| fits(place)).map(|place| place.samples).sum()
    };
    let all = sum(&|_| true);
    let user = sum(&|place| place.layer.is_some());
    let percent = |samples: u64, of: u64| digits(samples as f64 * 100.0 / of.max(1) as f64);
    if all == 0 {
        return None;
    }

    let mut text = format!(
        "kernel {} %, user {} % ({all} samples)\n\nlayers of the user part\n",
        percent(all - user, all),
        percent(user, all)
    );
    let mut layers: Vec<(&str, u64)> = Vec::new();
    for layer in places.iter().filter_map(|place| place.layer) {
        if layers.iter().all(|(known, _)| *known != layer) {
            layers.push((layer, sum(&|place| place.layer == Some(layer))));
        }
    }
    layers.sort_by_key(|(_, samples)| std::cmp::Reverse(*samples));
    for (layer, samples) in layers {
        let _ = writeln!(text, "{:>6} %  {layer}", percent(samples, user));
    }
    for (title, is_user) in [("user", true), ("kernel", false)] {
        let _ = writeln!(text, "\nfunctions of the {title} part, of all");
        let mut top: Vec<&Place> =
            places.iter().filter(|place| place.layer.is_some() == is_user).collect();
        top.sort_by_key(|place| std::cmp::Reverse(place.samples));
        for place in top.into_iter().take(TOP) {
            let _ = writeln!(text, "{:>6} %  {}", percent(place.samples, all), place.symbol);
        }
    }
    Some(text)
}

/// Parses one line of the report: samples, file, and the symbol after `[k]` or `[.]`.
fn place(line: &str) -> Option<Place> {
    let mut cells = line.splitn(3, '|').map(str::trim);
    let samples = cells.next()?.parse().ok()?;
    let file = cells.next()?;
    let (kind, symbol) = cells.next()?.split_once(' ')?;
    let layer = (kind != "[k]").then(|| layer_of(file, symbol));
    Some(Place { samples, layer, symbol: symbol.trim().to_owned() })
}

/// The layer of a symbol, which is that of the first crate in it: in
/// `<volga_http::Writer<B> as Future>::poll` it is the crate that wrote the type. Code that the
/// compiler has inlined counts for its caller.
fn layer_of(file: &str, symbol: &str) -> &'static str {
    if file.starts_with("libc") {
        let allocates =
            symbol.starts_with("_int_") || ALLOCATOR.iter().any(|name| symbol.contains(name));
        let moves = ["memmove", "memcpy", "memset", "memcmp", "memchr"];
        return match symbol {
            _ if allocates => "allocator",
            _ if moves.iter().any(|name| symbol.contains(name)) => "memory moved and compared",
            _ => "calls of the system",
        };
    }
    if file.starts_with("[vdso]") {
        return "clock";
    }
    let path = symbol.trim_start_matches(['<', '&', '(']).trim_start_matches("mut ");
    let path = path.trim_start_matches("dyn ");
    // Dropping a value counts for the crate that defines its type.
    let path = path.strip_prefix("core::ptr::drop_in_place<").unwrap_or(path);
    LAYERS.iter().find(|(begin, _)| path.starts_with(begin)).map_or("other", |(_, layer)| layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_belongs_to_whoever_wrote_it() {
        for (file, symbol, layer) in [
            ("bench-volga", "volga_sse::hub::log::Log::after", "hub"),
            (
                "bench-volga",
                "<volga_sse::body::SseBody<S> as http_body::Body>::poll",
                "messages and body",
            ),
            (
                "bench-volga",
                "<volga_http::http2::Driver<tokio::net::TcpStream>>::turn",
                "HTTP/2 driver",
            ),
            ("bench-volga", "core::ptr::drop_in_place<tokio::runtime::Task>", "tokio"),
            ("bench-volga", "core::ptr::drop_in_place<dyn Any>", "other"),
            ("libc.so.6", "__memmove_avx_unaligned_erms", "memory moved and compared"),
            ("libc.so.6", "_int_free", "allocator"),
            ("libc.so.6", "__libc_send", "calls of the system"),
            ("[vdso]", "__vdso_clock_gettime", "clock"),
        ] {
            assert_eq!(layer_of(file, symbol), layer, "{symbol}");
        }
    }

    #[test]
    fn shares_are_of_all_samples_and_of_the_user_part() {
        let report = "\
# Samples: 100 of event 'cpu-clock'
   60   |[kernel.kallsyms]|[k] tcp_sendmsg_locked
   30   |bench-volga      |[.] volga_sse::hub::scan::scan
   10   |libc.so.6        |[.] malloc
";
        let text = describe(report).expect("samples");
        for part in [
            "kernel 60.0 %, user 40.0 % (100 samples)",
            "  75.0 %  hub\n  25.0 %  allocator\n",
            "  30.0 %  volga_sse::hub::scan::scan\n  10.0 %  malloc\n",
            "  60.0 %  tcp_sendmsg_locked\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(describe("# nothing\n"), None);
    }
}
