//! `Change`: what a page does to the board.

use serde::{Deserialize, Serialize};
use volga::{
    error::{Error, Problem},
    http::sse::Message,
};

/// The size of the board, in its own units.
pub(crate) const SIZE: (u16, u16) = (1000, 600);
/// The number of colours. The page has them.
pub(crate) const COLORS: u8 = 5;
/// How many points a line has at most. A page sends longer ones in several lines.
pub(crate) const MAX_POINTS: usize = 200;

/// A change of the board, as a page sends it: `{"line":{"color":0,"points":[[1,2],[3,4]]}}` or
/// `"clear"`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    Line(Line),
    Clear,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Line {
    color: u8,
    points: Vec<(u16, u16)>,
}

impl Change {
    /// Makes a message for all pages.
    ///
    /// # Errors
    ///
    /// Returns an error if the line is not on the board. The WebSocket is closed with code 1008.
    pub(crate) fn into_message(self) -> Result<Message, Error> {
        match self {
            Self::Clear => Ok(Message::new().event("clear").data("")),
            Self::Line(line) => {
                line.check()?;
                Ok(Message::new().event("line").json(&line))
            }
        }
    }
}

impl Line {
    fn check(&self) -> Result<(), Error> {
        let wrong = |text: String| Err(Problem::new(422).with_detail(text).into());
        if self.color >= COLORS {
            return wrong(format!("there are only {COLORS} colors"));
        }
        if !(1..=MAX_POINTS).contains(&self.points.len()) {
            return wrong(format!("a line has 1 to {MAX_POINTS} points"));
        }
        let (width, height) = SIZE;
        if self.points.iter().any(|(x, y)| *x > width || *y > height) {
            return wrong(format!("the board has {width} times {height} points"));
        }
        Ok(())
    }
}
