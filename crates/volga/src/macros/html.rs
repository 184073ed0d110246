//! `html!`: HTML in which the values are escaped.

use std::fmt::{self, Write};

use http::{HeaderValue, Response, header};
use volga_core::{HttpBody, HttpResult};

/// Creates an HTML response with status 200 and the content type `text/html; charset=utf-8`.
///
/// It formats like [`ok!`](crate::ok!), and escapes the values: a name like `<script>` is shown as
/// text. [`TrustedHtml`] inserts a value as it is.
///
/// | Form | Body |
/// |---|---|
/// | `html!("<p>{name}</p>")`, `html!("<p>{}</p>", value)` | the text, with escaped values |
/// | `html!(page)` | the value as it is: a `String`, a `Vec<u8>` or another body |
///
/// Values are escaped for text and for attributes in quotation marks: `<a href="/users/{id}">`. Do
/// not put values into scripts, styles, or attributes without quotation marks. In a format string,
/// braces are written twice: `<style>p {{ margin: 0 }}</style>`. Headers follow after a semicolon,
/// as in [`ok!`](crate::ok!).
///
/// ```
/// use http_body_util::BodyExt;
/// use volga::{TrustedHtml, html};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let name = "<script>";
/// let list = TrustedHtml("<ul><li>tea</li></ul>");
/// let page = html!("<h1>Hello, {name}!</h1>{list}"; [("cache-control", "no-store")]).unwrap();
/// assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
/// let body = page.into_body().collect().await.unwrap().to_bytes();
/// assert_eq!(body, "<h1>Hello, &lt;script&gt;!</h1><ul><li>tea</li></ul>");
/// # }
/// ```
#[macro_export]
macro_rules! html {
    ($format:literal $(, $arg:expr)* $(,)? $(; $headers:tt)?) => {
        $crate::__with_headers!(
            $crate::__private::html_format!($crate::__private, $format $(, $arg)*) $(, $headers)?
        )
    };
    ($html:expr $(; $headers:tt)?) => {
        $crate::__with_headers!($crate::__private::html($html) $(, $headers)?)
    };
}

/// Creates a piece of HTML, in which the values are escaped, as [`TrustedHtml`] with a `String`.
///
/// [`html!`](crate::html!) and `html_fragment!` insert it without escaping it again. So write each
/// row of a list, and the content of a layout, as a fragment. Fragments can be collected into one.
///
/// ```
/// use volga::{HttpResult, TrustedHtml, html, html_fragment};
///
/// type Fragment = TrustedHtml<String>;
///
/// fn layout(title: &str, content: Fragment) -> HttpResult {
///     html!("<title>{title}</title><main>{content}</main>")
/// }
///
/// fn list(names: &[&str]) -> Fragment {
///     let rows: Fragment = names.iter().map(|name| html_fragment!("<li>{name}</li>")).collect();
///     html_fragment!("<ul>{rows}</ul>")
/// }
///
/// assert_eq!(list(&["tea", "<b>"]).0, "<ul><li>tea</li><li>&lt;b&gt;</li></ul>");
/// let page = layout("Names & more", list(&["tea"])).unwrap();
/// # drop(page);
/// ```
#[macro_export]
macro_rules! html_fragment {
    ($format:literal $(, $arg:expr)* $(,)?) => {
        $crate::__private::html_format!($crate::__private::fragment, $format $(, $arg)*)
    };
}

/// HTML that [`html!`](crate::html!) inserts without escaping it. It takes a `String` or any other
/// value with [`Display`](fmt::Display).
///
/// Use it for HTML that your program has written. Text from a client must be escaped, or the client
/// can run scripts in the pages of other users.
///
/// ```
/// use volga::{TrustedHtml, html};
///
/// let menu = TrustedHtml("<a href=\"/\">home</a>");
/// let page = html!("{menu} <h1>{}</h1>", "1 < 2").unwrap();
/// # drop(page);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TrustedHtml<T>(
    /// The HTML.
    pub T,
);

impl<T: fmt::Display> FromIterator<TrustedHtml<T>> for TrustedHtml<String> {
    fn from_iter<I: IntoIterator<Item = TrustedHtml<T>>>(parts: I) -> Self {
        let mut html = String::new();
        for part in parts {
            // Writing to a `String` fails only if the `Display` of the part does.
            let _ = write!(html, "{part}");
        }
        Self(html)
    }
}

impl<T: fmt::Display> fmt::Display for TrustedHtml<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A value of a format string. `html!` calls `(&ToHtml(&value)).to_html(formatted)`: the compiler
/// takes the method of [`TrustedHtml`] if it fits, and [`EscapeHtml`] for every other value.
#[derive(Debug)]
pub struct ToHtml<'a, T: ?Sized>(pub &'a T);

impl<T> ToHtml<'_, TrustedHtml<T>> {
    /// Returns the value as it is.
    pub fn to_html<'a>(&self, formatted: fmt::Arguments<'a>) -> fmt::Arguments<'a> {
        formatted
    }
}

impl<T> ToHtml<'_, &TrustedHtml<T>> {
    /// Returns the value as it is.
    pub fn to_html<'a>(&self, formatted: fmt::Arguments<'a>) -> fmt::Arguments<'a> {
        formatted
    }
}

/// Escapes every value that is not [`TrustedHtml`].
pub trait EscapeHtml {
    /// Returns the value in escaped form.
    fn to_html<'a>(&self, formatted: fmt::Arguments<'a>) -> EscapedHtml<'a> {
        EscapedHtml(formatted)
    }
}

impl<T: ?Sized> EscapeHtml for &ToHtml<'_, T> {}

/// A value in escaped form.
#[derive(Debug)]
pub struct EscapedHtml<'a>(fmt::Arguments<'a>);

impl fmt::Display for EscapedHtml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaping(f).write_fmt(self.0)
    }
}

/// Escapes everything that is written.
struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            let (before, from) = rest.split_at(at);
            self.0.write_str(before)?;
            self.0.write_str(match from.as_bytes().first() {
                Some(b'&') => "&amp;",
                Some(b'<') => "&lt;",
                Some(b'>') => "&gt;",
                Some(b'"') => "&quot;",
                _ => "&#39;",
            })?;
            // All of these have one byte.
            rest = from.get(1..).unwrap_or_default();
        }
        self.0.write_str(rest)
    }
}

/// Creates an HTML response.
pub fn html(html: impl Into<HttpBody>) -> HttpResult {
    let mut response = Response::new(html.into());
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    Ok(response)
}

/// Creates a piece of HTML from a text whose values are in escaped form.
pub fn html_fragment_text(text: fmt::Arguments<'_>) -> TrustedHtml<String> {
    TrustedHtml(text.to_string())
}

/// Creates an HTML response from a text whose values are in escaped form.
pub fn html_text(text: fmt::Arguments<'_>) -> HttpResult {
    match text.as_str() {
        Some(text) => html(text),
        None => html(text.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_html_reads_as_more_than_text_is_escaped() {
        for (text, expect) in [
            ("", ""),
            ("plain äöü 字", "plain äöü 字"),
            (
                "<b a=\"1\" c='2'>&amp;</b>",
                "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;&lt;/b&gt;",
            ),
            ("<<", "&lt;&lt;"),
            ("ä<ö", "ä&lt;ö"),
        ] {
            assert_eq!(EscapedHtml(format_args!("{text}")).to_string(), expect);
        }
    }
}
