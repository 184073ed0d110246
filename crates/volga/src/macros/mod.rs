//! The response macros, and the functions that they call: each macro only sorts its arguments.

mod response;
mod stream;

pub use response::{IntoStatus, json, respond, text};
pub use stream::{sse, stream};
