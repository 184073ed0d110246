//! The response macros, and the functions that they call. A macro only sorts its arguments.

mod raw;
mod redirect;
mod response;
mod stream;

pub use raw::{html, raw};
pub use redirect::redirect;
pub use response::{IntoStatus, json, respond, text};
pub use stream::{sse, stream};
