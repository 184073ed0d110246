//! The results of one client or encoder for the cases of the corpus.

use std::fmt;

use crate::corpus::Event;

/// The table to which an outcome belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A client that reads our streams.
    Reader,
    /// An encoder whose streams we read.
    Encoder,
    /// A client that reads the streams of a language model.
    Chat,
}

pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    /// Empty if the program is part of the system.
    pub(crate) version: String,
    pub(crate) results: Vec<CaseResult>,
}

pub(crate) struct CaseResult {
    pub(crate) case: String,
    /// How the result differs from the expected one.
    pub(crate) departure: Option<String>,
}

impl Outcome {
    /// The number of cases without a departure.
    pub(crate) fn good(&self) -> usize {
        self.results.iter().filter(|result| result.departure.is_none()).count()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = format!("{} {}", self.name, self.version);
        write!(f, "{label:<40}{:>4} of {}", self.good(), self.results.len())?;
        for result in &self.results {
            if let Some(departure) = &result.departure {
                write!(f, "\n    {}: {departure}", result.case)?;
            }
        }
        Ok(())
    }
}

/// The first difference between the expected and the received events.
pub(crate) fn difference(expected: &[Event], received: &[Event]) -> Option<String> {
    let both = expected.iter().zip(received);
    for (index, (expected, received)) in both.enumerate() {
        for (field, expected, received) in [
            ("event name", &expected.event, &received.event),
            ("data", &expected.data, &received.data),
            ("ID", &expected.id, &received.id),
        ] {
            if expected != received {
                let number = index + 1;
                return Some(format!(
                    "event {number} has {field} {} rather than {}",
                    shown(received),
                    shown(expected)
                ));
            }
        }
    }
    (expected.len() != received.len())
        .then(|| format!("{} events rather than {}", received.len(), expected.len()))
}

fn shown(text: &str) -> String {
    const MAX: usize = 40;
    if text.chars().count() <= MAX {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(MAX).collect();
    format!("{start:?}… ({} bytes)", text.len())
}
