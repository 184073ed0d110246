//! Settings from environment variables.
//!
//! To add a variable, add its name and its reader to `VARIABLES`, a row to the table of
//! [`App::with_env`], and a row to the guide's page `docs/src/environment.md`. Its test belongs in
//! `env/tests.rs`.

use std::{env, ffi::OsString, num::NonZeroUsize, time::Duration};

use volga_core::BodyLimit;
use volga_http::BindTarget;

use crate::app::App;
use crate::app_faults::SettingFault;
use crate::trusted_proxy::TrustedProxy;

/// A change of an app by the value of a variable.
type Change = Box<dyn FnOnce(App) -> App>;

/// A variable, and how its value is read.
type Variable = (&'static str, fn(&str) -> Result<Change, String>);

/// All variables, in the order in which they apply.
const VARIABLES: &[Variable] = &[
    ("PORT", |text| change(port(text), |app, port| app.with_addresses([([0, 0, 0, 0], port)]))),
    ("VOLGA_BIND", |text| change(targets(text), App::with_addresses)),
    ("VOLGA_TRUSTED_PROXIES", |text| change(proxies(text), App::with_trusted)),
    ("VOLGA_MAX_CONNECTIONS", |text| {
        change(count(text), |app, count| app.with_max_connections(count.get()))
    }),
    ("VOLGA_MAX_CONNECTIONS_PER_ADDRESS", |text| {
        change(count(text), |app, count| app.with_max_connections_per_address(count.get()))
    }),
    ("VOLGA_BODY_LIMIT", |text| {
        change(body_limit(text), |mut app, limit| {
            app.body_limit(limit);
            app
        })
    }),
    ("VOLGA_MAX_COLLECTED_BYTES", |text| change(bytes(text), App::with_max_collected_bytes)),
    ("VOLGA_HEADER_READ_TIMEOUT", |text| change(wait(text), App::with_header_read_timeout)),
    ("VOLGA_BODY_READ_TIMEOUT", |text| change(wait(text), App::with_body_read_timeout)),
    ("VOLGA_MIN_BODY_RATE", |text| change(rate(text), App::with_min_body_rate)),
    ("VOLGA_WRITE_STALL_TIMEOUT", |text| change(wait(text), App::with_write_stall_timeout)),
    ("VOLGA_HANDSHAKE_TIMEOUT", |text| change(wait(text), App::with_handshake_timeout)),
    ("VOLGA_TUNNEL_IDLE_TIMEOUT", |text| change(wait(text), App::with_tunnel_idle_timeout)),
    ("VOLGA_DEAD_CLIENT_TIMEOUT", |text| change(wait(text), App::with_dead_client_timeout)),
    ("VOLGA_SHUTDOWN_DELAY", |text| change(duration(text), App::with_shutdown_delay)),
    ("VOLGA_BEFORE_SHUTDOWN_TIMEOUT", |text| {
        change(duration(text), App::with_before_shutdown_timeout)
    }),
    ("VOLGA_SHUTDOWN_TIMEOUT", |text| change(duration(text), App::with_shutdown_timeout)),
];

/// The prefix of the variables of Volga, without `PORT`.
const PREFIX: &str = "VOLGA_";

impl App {
    /// Takes addresses and limits from environment variables. A variable that is not set, or empty,
    /// changes nothing. Otherwise it replaces what was set before this call.
    ///
    /// | Variable | Value | Replaces |
    /// |---|---|---|
    /// | `PORT` | a port; the app listens on every IPv4 address, `0.0.0.0` | all addresses |
    /// | `VOLGA_BIND` | one or several targets of [`bind`](Self::bind), separated by commas | all addresses, also `PORT` |
    /// | `VOLGA_TRUSTED_PROXIES` | addresses, networks or `unix`, separated by commas | [`with_trusted_proxies`](Self::with_trusted_proxies) |
    /// | `VOLGA_MAX_CONNECTIONS` | a number | [`with_max_connections`](Self::with_max_connections) |
    /// | `VOLGA_MAX_CONNECTIONS_PER_ADDRESS` | a number | [`with_max_connections_per_address`](Self::with_max_connections_per_address) |
    /// | `VOLGA_BODY_LIMIT` | bytes, such as `64KiB`, or `unlimited` | [`body_limit`](crate::Group::body_limit) of the app |
    /// | `VOLGA_MAX_COLLECTED_BYTES` | bytes, such as `256MiB` | [`with_max_collected_bytes`](Self::with_max_collected_bytes) |
    /// | `VOLGA_HEADER_READ_TIMEOUT` | a time, such as `10s` | [`with_header_read_timeout`](Self::with_header_read_timeout) |
    /// | `VOLGA_BODY_READ_TIMEOUT` | a time | [`with_body_read_timeout`](Self::with_body_read_timeout) |
    /// | `VOLGA_MIN_BODY_RATE` | bytes in each second; 0 for no limit | [`with_min_body_rate`](Self::with_min_body_rate) |
    /// | `VOLGA_WRITE_STALL_TIMEOUT` | a time | [`with_write_stall_timeout`](Self::with_write_stall_timeout) |
    /// | `VOLGA_HANDSHAKE_TIMEOUT` | a time | [`with_handshake_timeout`](Self::with_handshake_timeout) |
    /// | `VOLGA_TUNNEL_IDLE_TIMEOUT` | a time | [`with_tunnel_idle_timeout`](Self::with_tunnel_idle_timeout) |
    /// | `VOLGA_DEAD_CLIENT_TIMEOUT` | a time | [`with_dead_client_timeout`](Self::with_dead_client_timeout) |
    /// | `VOLGA_SHUTDOWN_DELAY` | a time, also `0s` | [`with_shutdown_delay`](Self::with_shutdown_delay) |
    /// | `VOLGA_BEFORE_SHUTDOWN_TIMEOUT` | a time, also `0s` | [`with_before_shutdown_timeout`](Self::with_before_shutdown_timeout) |
    /// | `VOLGA_SHUTDOWN_TIMEOUT` | a time, also `0s` | [`with_shutdown_timeout`](Self::with_shutdown_timeout) |
    ///
    /// A time is a number with `ms`, `s`, `m` or `h`. Bytes are a number, with `KiB`, `MiB` or
    /// `GiB` if you like.
    ///
    /// A wrong value is an error of [`check`](Self::check) and [`run`](Self::run), which names the
    /// variable. So is a variable whose name is nearly one of these, such as
    /// `VOLGA_MAX_CONNECTION`.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// use volga::{App, ok};
    ///
    /// // The command line goes before the environment, and the environment before the program.
    /// let mut app =
    ///     App::new().bind("localhost:8080").with_env().with_addresses(std::env::args().skip(1));
    /// app.map_get("/", || ok!("Hello!"));
    /// app.run().await
    /// # }
    /// ```
    pub fn with_env(self) -> Self {
        self.with_variables(env::vars_os())
    }

    fn with_variables(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut faults = Vec::new();
        let mut found: Vec<(usize, Change)> = Vec::new();
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            if value.is_empty() {
                continue;
            }
            let Some(index) = VARIABLES.iter().position(|(known, _)| *known == name) else {
                if let Some(meant) = nearly(name) {
                    faults.push(SettingFault::variable(name, meant));
                }
                continue;
            };
            let change = match value.to_str() {
                Some(text) => VARIABLES[index].1(text.trim()),
                None => Err("is not UTF-8".to_owned()),
            };
            match change {
                Ok(change) => found.push((index, change)),
                Err(reason) => faults.push(SettingFault::variable(name, reason)),
            }
        }
        found.sort_by_key(|(index, _)| *index);
        for (_, change) in found {
            self = change(self);
        }
        faults.sort_by(|one, other| one.setting().cmp(other.setting()));
        self.setting_faults.extend(faults);
        self
    }
}

fn change<T: 'static>(value: Result<T, String>, set: fn(App, T) -> App) -> Result<Change, String> {
    value.map(|value| Box::new(move |app| set(app, value)) as Change)
}

fn port(text: &str) -> Result<u16, String> {
    number(text, "a port from 0 to 65535")
}

fn rate(text: &str) -> Result<u32, String> {
    number(text, "a number of bytes in each second")
}

fn count(text: &str) -> Result<NonZeroUsize, String> {
    number(text, "a number from 1")
}

/// Parses digits. `parse` alone would accept a sign.
fn number<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    number.ok_or_else(|| format!("is {text:?}: write {what}"))
}

fn targets(text: &str) -> Result<Vec<BindTarget>, String> {
    let target = |part: &str| part.trim().parse().map_err(|error| format!("is {text:?}: {error}"));
    text.split(',').map(target).collect()
}

fn proxies(text: &str) -> Result<Vec<TrustedProxy>, String> {
    let proxy = |part: &str| TrustedProxy::parse(part.trim());
    text.split(',').map(proxy).collect()
}

fn body_limit(text: &str) -> Result<BodyLimit, String> {
    if text == "unlimited" {
        return Ok(BodyLimit::UNLIMITED);
    }
    bytes(text).map(BodyLimit::from).map_err(|reason| format!("{reason}, or \"unlimited\""))
}

fn bytes(text: &str) -> Result<usize, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("", 0)];
    with_unit(text, &units)
        .and_then(|(number, bits)| usize::try_from(number.checked_mul(1_u64 << bits)?).ok())
        .ok_or_else(|| {
            format!("is {text:?}: write a number of bytes, such as 65536, 64KiB or 5MiB")
        })
}

/// A time of which zero makes no sense.
fn wait(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|time| {
        if time.is_zero() {
            return Err(format!("is {text:?}: write a time of at least 1ms"));
        }
        Ok(time)
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    with_unit(text, &units)
        .and_then(|(number, millis)| number.checked_mul(millis))
        .map(Duration::from_millis)
        .ok_or_else(|| {
            format!("is {text:?}: write a number with its unit, such as 500ms, 10s, 2m or 1h")
        })
}

/// Splits a text into a number and one of the units.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<(u64, u64)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(unit, _)| *unit == rest.trim())?;
    Some((digits.parse().ok()?, *factor))
}

/// The reason of a fault, if a name is nearly the name of a variable.
fn nearly(name: &str) -> Option<String> {
    if !name.starts_with(PREFIX) {
        return None;
    }
    let known = VARIABLES.iter().map(|(known, _)| *known);
    let (distance, meant) = known.map(|known| (distance(name, known), known)).min()?;
    (distance <= 2).then(|| {
        format!("is unknown: write {meant}, or choose another name for a variable of your own")
    })
}

/// How many characters must be inserted, removed or replaced to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let other = other.as_bytes();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, byte) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for at in 0..other.len() {
            let replaced = diagonal + usize::from(other[at] != byte);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests;
