//! What came of pointing one client or encoder at the corpus.

use std::fmt;

use crate::corpus::Event;

/// Which table it belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Reads what we write.
    Reader,
    /// Writes what we read.
    Encoder,
    /// Reads the stream of a language model.
    Chat,
}

pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    /// Empty for a program of the machine's own.
    pub(crate) version: String,
    pub(crate) results: Vec<CaseResult>,
}

pub(crate) struct CaseResult {
    pub(crate) case: String,
    /// What was otherwise than it should be.
    pub(crate) departure: Option<String>,
}

impl Outcome {
    /// How many cases were as they should be.
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

/// The first difference between what should have arrived and what did.
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
