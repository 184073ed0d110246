//! The response macros, and the functions that they call. A macro only sorts its arguments.

#[cfg(feature = "files")]
mod file;
mod form;
mod html;
mod raw;
mod redirect;
mod response;
mod stream;

#[cfg(feature = "files")]
pub use file::{attachment, file};
pub use form::form;
pub use html::{EscapeHtml, EscapedHtml, ToHtml, TrustedHtml, html, html_fragment_text, html_text};
pub use raw::raw;
pub use redirect::redirect;
pub use response::{IntoStatus, json, respond, text};
pub use stream::{sse, stream};
