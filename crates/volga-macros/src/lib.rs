//! The procedural macros of Volga.
//!
//! They are used through the crates that export them, never by name: what they take and give may
//! change at any time.

mod format_string;
mod html;
mod literal;
mod yields;

use proc_macro::TokenStream;

/// Turns a block with `yield` into an async block that sends each yielded value:
/// `yields!(yielder { … })`.
#[doc(hidden)]
#[proc_macro]
pub fn yields(input: TokenStream) -> TokenStream {
    yields::expand(input)
}

/// Writes a format string whose arguments are escaped for HTML: `html!(path, "<p>{name}</p>")`,
/// where `path` is a module with `ToHtml` and `html_text`.
#[doc(hidden)]
#[proc_macro]
pub fn html(input: TokenStream) -> TokenStream {
    html::expand(input)
}
