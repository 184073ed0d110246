//! `html!` formats like its siblings, and escapes the values.

use std::fmt;

use http_body_util::BodyExt;
use proptest::prelude::*;
use volga::{HttpResult, TrustedHtml, html};

fn body(response: HttpResult) -> String {
    let response = response.unwrap();
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

const EVIL: &str = r#"<b title="x" id='y'>&</b>"#;
const ESCAPED: &str = "&lt;b title=&quot;x&quot; id=&#39;y&#39;&gt;&amp;&lt;/b&gt;";

/// Compares a page with the same format string and values that have nothing to escape.
macro_rules! same {
    ($format:literal $(, $arg:expr)*) => {
        assert_eq!(body(html!($format $(, $arg)*)), format!($format $(, $arg)*))
    };
}

#[test]
fn it_formats_as_the_standard_library_does() {
    let (name, width, precision, number, float) = ("Anna", 8, 2, 255_u8, 1.5_f64);
    let mut calls = 0;
    let mut counted = || {
        calls += 1;
        calls
    };
    same!("");
    same!("<p>no value</p>");
    same!("{{}} {{{name}}} }}{{");
    same!("{name} {name} {0} {} {}", number, float);
    same!("{name:>8}|{name:<8}|{name:^8}|{name:*^9}|{name:>width$}|{name:.precision$}|");
    same!("{:>1$}|{:.*}|{:>width$.precision$}|", "ab", 5, float, 3.25);
    same!("{:.*}|{:.*}", 1, 2.25, 3, 4.5);
    same!("{number:#x} {number:08b} {number:+} {number:o} {float:e} {number:X} {number:#010x}");
    same!("{:?} {:#?} {:02x?}", Some(1), [1, 2], [10, 11]);
    same!("{}{}", name.len() + 1, if number > 1 { "many" } else { "one" });
    assert_eq!(body(html!("{}", 'x',)), "x");
    assert_eq!(body(html!("{0}{0}{0}", counted())), "111");
    assert_eq!(body(html!("{a}-{b}-{a}", a = 1, b = name)), "1-Anna-1");
    assert_eq!(body(html!("{:>w$}", "x", w = 3)), "  x");
    assert_eq!(body(html!(r#"<a href="{name}">"#)), r#"<a href="Anna">"#);
    assert_eq!(
        body(html!(
            "a\u{7b}\u{7b}\x41\
                           b"
        )),
        "a{Ab"
    );
    // `arg0` is a name of the macro's own.
    let arg0 = "mine";
    assert_eq!(body(html!("{arg0} {}", "given")), "mine given");
}

#[test]
fn every_value_is_escaped_wherever_it_stands() {
    let name = EVIL;
    assert_eq!(body(html!("<p>{name}</p>")), format!("<p>{ESCAPED}</p>"));
    assert_eq!(body(html!("<p>{}</p>", EVIL)), format!("<p>{ESCAPED}</p>"));
    assert_eq!(
        body(html!("<p>{0}{x}{0}</p>", name, x = name)),
        format!("<p>{ESCAPED}{ESCAPED}{ESCAPED}</p>")
    );
    assert_eq!(body(html!("{}", String::from("<"))), "&lt;");
    assert_eq!(body(html!("{}", '<')), "&lt;");
    assert_eq!(body(html!("{}", &&"<")), "&lt;");
    assert_eq!(body(html!("{}", format_args!("{}", "<"))), "&lt;");
    assert_eq!(body(html!("{:?}", ["<"])), "[&quot;&lt;&quot;]");
    assert_eq!(body(html!("{:<<3}", "a")), "a&lt;&lt;");
    // A width counts what the reader sees.
    assert_eq!(body(html!("{:>3}{:.1}", "<", "<<<")), "  &lt;&lt;");
    struct Tricky;
    impl fmt::Display for Tricky {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("<")?;
            fmt::Write::write_char(f, '>')?;
            write!(f, "{}", TrustedHtml("<i>"))
        }
    }
    assert_eq!(body(html!("{}", Tricky)), "&lt;&gt;&lt;i&gt;");
    assert_eq!(body(html!("{}", &Tricky as &dyn fmt::Display)), "&lt;&gt;&lt;i&gt;");
}

#[test]
fn trusted_html_is_inserted_as_it_is() {
    let list = TrustedHtml(String::from("<ul></ul>"));
    let by_reference = &list;
    assert_eq!(
        body(html!("{list}{by_reference}{}", TrustedHtml("&amp;"))),
        "<ul></ul><ul></ul>&amp;"
    );
    assert_eq!(body(html!("{:>6}", TrustedHtml("<i>"))), "   <i>");
    // A function that takes any value does not know that it is trusted, so it escapes it.
    fn any(value: impl fmt::Display) -> String {
        body(html!("{value}"))
    }
    assert_eq!(any(TrustedHtml("<i>")), "&lt;i&gt;");
}

#[test]
fn a_value_that_is_no_format_string_is_the_page() {
    let page = String::from("<p>{name}</p>");
    assert_eq!(body(html!(page.clone())), page);
    assert_eq!(body(html!(page.clone(); [("x-id", "7")])), page);
    assert_eq!(body(html!(b"<p>".to_vec())), "<p>");
    assert_eq!(body(html!(concat!("<p>", "{}"))), "<p>{}");
    let name = "x";
    let response = html!("<p>{name}</p>"; [("x-id", "7")]).unwrap();
    assert_eq!(response.headers()["x-id"], "7");
    let response = html!("<p>{}</p>", name; [("x-id", "8")]).unwrap();
    assert_eq!(response.headers()["x-id"], "8");
}

proptest! {
    #[test]
    fn no_value_can_leave_its_place(value in any::<String>()) {
        let page = body(html!("<p title=\"{value}\">{}</p>", value));
        let inner = page.strip_prefix("<p title=\"").unwrap().strip_suffix("</p>").unwrap();
        let (attribute, text) = inner.split_once("\">").unwrap();
        for place in [attribute, text] {
            prop_assert!(!place.contains(['<', '>', '"', '\'']), "{}", page);
            let read = place
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&#39;", "'")
                .replace("&amp;", "&");
            prop_assert_eq!(&read, &value);
        }
    }
}
