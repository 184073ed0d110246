//! `Query<T>`: the query of the URI as one value.

use std::ops::{Deref, DerefMut};

use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::extract::FromRequestParts;
use crate::extract::error::ExtractError;
use crate::extract::fields::pairs::{NotUtf8, pairs, read};
use crate::extract::fields::{FieldError, FieldErrorKind};
use crate::extract::optional::OptionalArg;
use crate::handler::description::Description;
use crate::request::parts::RequestParts;
use crate::response::error::Error;

/// The query of the URI, read into a struct or a map by name.
///
/// A name that occurs several times fills a `Vec`. For a name that may be missing, use an `Option`
/// or `#[serde(default)]`. Unknown names are ignored. A plus is a space.
/// `Query<Vec<(String, String)>>` takes all fields in order.
///
/// A text is converted to what the type asks for, also in `#[serde(flatten)]`, and in tagged and
/// untagged enums. A variant of an enum without a tag is the only field: `?id=7` is `Id(7)`.
///
/// Names with brackets are parts of a struct, a map or a list: `address[city]=x` fills the field
/// `city` of a struct `address`, `tag[]=a&tag[]=b` and `tag[0]=a&tag[1]=b` fill a list, and
/// `items[0][name]=x` fills a list of structs. An empty text is a text; with
/// [`NonEmptyFields`](crate::NonEmptyFields), such a field counts as absent.
///
/// The status is 400 if a field is missing, cannot be parsed, occurs more often than the type
/// takes it, or is not UTF-8 after percent-decoding. The message has the name of the
/// field and the index of the value, such as `tag[1]`, or its parts, such as
/// `address[city]`. `Option<Query<T>>` is `None` if the URI has
/// no query. It dereferences to `T`.
///
/// ```
/// use serde::Deserialize;
/// use volga_core::{HandlerEndpoint, Query, Router};
///
/// #[derive(Deserialize)]
/// struct Search {
///     text: String,
///     page: Option<u32>,
///     #[serde(default)]
///     tag: Vec<String>,
/// }
///
/// let mut router = Router::new();
/// // /search?text=tea+pot&tag=new&tag=sale
/// router.map(http::Method::GET, "/search", HandlerEndpoint::new(|search: Query<Search>| {
///     format!("{}, page {}, {} tags", search.text, search.page.unwrap_or(1), search.tag.len())
/// }));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Query<T>(pub T);

impl<T> Query<T> {
    /// Returns the value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: DeserializeOwned> FromRequestParts for Query<T> {
    fn describe(description: &mut Description) {
        description.reads_query().responds(StatusCode::BAD_REQUEST, &[]);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        Ok(Self(of_text(parts.uri.query().unwrap_or_default())?))
    }
}

/// Reads a query.
pub(super) fn of_text<T: DeserializeOwned>(query: &str) -> Result<T, ExtractError> {
    let pairs = pairs(query).map_err(|NotUtf8(at)| ExtractError::QueryField {
        at,
        reason: NotUtf8::REASON.to_owned(),
    })?;
    read(&pairs).map_err(|FieldError { at, kind, .. }| match kind {
        FieldErrorKind::Missing => ExtractError::MissingQueryField { field: at },
        FieldErrorKind::Malformed(reason)
        | FieldErrorKind::Length(reason)
        | FieldErrorKind::Shape(reason) => {
            if at.is_empty() {
                ExtractError::Query { reason }
            } else {
                ExtractError::QueryField { at, reason }
            }
        }
    })
}

/// Absent if the URI has no query, or an empty one.
impl<T> OptionalArg for Query<T> {
    fn is_absent(parts: &RequestParts) -> bool {
        parts.uri.query().is_none_or(str::is_empty)
    }
}

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Query<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    fn read<T: DeserializeOwned>(query: &str) -> Result<T, String> {
        let pairs = super::pairs(query).map_err(|_| NotUtf8::REASON.to_owned())?;
        super::read(&pairs).map_err(|error| format!("{}: {error}", error.at))
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Search {
        text: String,
        page: Option<u32>,
        #[serde(default)]
        tag: Vec<u8>,
    }

    #[test]
    fn names_fill_fields_and_repeated_ones_a_list() {
        assert_eq!(
            read("tag=1&text=tea+%C3%A9&other=x&tag=2"),
            Ok(Search { text: "tea é".to_owned(), page: None, tag: vec![1, 2] })
        );
        assert_eq!(
            read("text=&page=3&tag=1"),
            Ok(Search { text: String::new(), page: Some(3), tag: vec![1] })
        );
        let list = BTreeMap::from([("a".to_owned(), vec!["1".to_owned(), "2".to_owned()])]);
        assert_eq!(read("a=1&a=2"), Ok(list));
        let pairs = [("b", "1"), ("a", "2"), ("b", "3")];
        let pairs = pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec();
        assert_eq!(read("b=1&a=2&b=3"), Ok(pairs));
        assert_eq!(read("1=a"), Ok(HashMap::from([(1_u8, 'a')])));
    }

    #[test]
    fn errors_name_the_field_and_say_whether_it_is_missing() {
        let fails = |query| read::<Search>(query).unwrap_err();
        assert_eq!(fails("page=1"), "text: missing");
        assert_eq!(fails("text=x&page=one"), "page: invalid digit found in string");
        assert_eq!(fails("text=x&page="), "page: cannot parse integer from empty string");
        assert_eq!(fails("text=x&tag=1&tag=x"), "tag[1]: invalid digit found in string");
        assert_eq!(fails("text=x&text=y"), "text: given 2 times, but it takes one value");
        assert!(read::<u8>("a=1").is_err());
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Page {
        page: u32,
        ratio: Option<f64>,
        #[serde(default)]
        exact: bool,
        #[serde(default)]
        ids: Vec<i16>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Flattened {
        q: String,
        #[serde(flatten)]
        page: Page,
        r#in: Option<String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(tag = "kind", rename_all = "lowercase")]
    enum Tagged {
        Range { from: i64, to: Option<u8> },
        Text { from: String },
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(tag = "kind", content = "value")]
    enum Adjacent {
        Number(f32),
        Text(String),
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Untagged {
        Both { x: u64, y: u64 },
        Number { x: u64, name: String },
        Texts { x: String },
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Id {
        Flag(bool),
        Number(u64),
        Name(String),
    }

    #[derive(Debug, Deserialize, PartialEq)]
    enum Plain {
        #[serde(rename = "id")]
        Id(u64),
        #[serde(rename = "tags")]
        Tags(Vec<u8>),
        #[serde(rename = "all")]
        All,
    }

    #[test]
    fn a_text_becomes_what_the_type_asks_for_behind_flatten() {
        let page = Page { page: 1, ratio: None, exact: false, ids: Vec::new() };
        for q in ["a", "1", "1.5", "true", "-3"] {
            for r#in in [None, Some("1"), Some("x")] {
                let query = format!(
                    "page=1&q={q}{}",
                    r#in.map_or(String::new(), |text| format!("&in={text}"))
                );
                let flattened: Flattened = read(&query).unwrap();
                assert_eq!((&*flattened.q, flattened.r#in.as_deref()), (q, r#in), "{query}");
                assert_eq!(flattened.page, page, "{query}");
            }
        }
        for (query, ids) in [("ids=7", vec![7]), ("ids=7&ids=-8", vec![7, -8])] {
            let query = format!("{query}&exact=true&q=7&ratio=2&page=0");
            let page = Page { page: 0, ratio: Some(2.0), exact: true, ids };
            assert_eq!(read::<Flattened>(&query).unwrap().page, page);
        }
        let error = |query| read::<Flattened>(query).unwrap_err();
        assert!(error("q=a&page=x").starts_with("page: invalid type: string \"x\""));
        assert!(error("q=a&page=-1").contains("expected u32"));
        assert_eq!(error("q=a"), "page: missing");
    }

    #[test]
    fn a_text_becomes_what_the_variant_asks_for() {
        for order in [["kind=range", "from=-7", "to=8"], ["to=8", "from=-7", "kind=range"]] {
            assert_eq!(read(&order.join("&")), Ok(Tagged::Range { from: -7, to: Some(8) }));
        }
        assert_eq!(read("from=7&kind=text"), Ok(Tagged::Text { from: "7".to_owned() }));
        for order in ["kind=Number&value=1", "value=1&kind=Number"] {
            assert_eq!(read(order), Ok(Adjacent::Number(1.0)));
        }
        assert_eq!(read("value=1&kind=Text"), Ok(Adjacent::Text("1".to_owned())));
        let one = || "1".to_owned();
        assert_eq!(read("x=1&y=2"), Ok(Untagged::Both { x: 1, y: 2 }));
        assert_eq!(read("x=1&y=a&name=1"), Ok(Untagged::Number { x: 1, name: one() }));
        assert_eq!(read("x=1&y=a"), Ok(Untagged::Texts { x: one() }));
        assert_eq!(read("id=5"), Ok(Plain::Id(5)));
        assert_eq!(read("tags=5&tags=6"), Ok(Plain::Tags(vec![5, 6])));
        assert_eq!(read("all"), Ok(Plain::All));
        assert!(read::<Plain>("all&id=5").is_err());
        for (text, id) in [
            ("true", Id::Flag(true)),
            ("12", Id::Number(12)),
            ("-1", Id::Name("-1".to_owned())),
            ("x", Id::Name("x".to_owned())),
            ("", Id::Name(String::new())),
        ] {
            assert_eq!(read(&format!("id={text}")), Ok(BTreeMap::from([("id".to_owned(), id)])));
        }
        assert!(read::<Tagged>("kind=other&from=1").is_err());
        assert_eq!(read::<Tagged>("from=1").unwrap_err(), "kind: missing");
    }

    #[test]
    fn the_error_of_a_later_pass_names_the_field_that_does_not_fit() {
        #[derive(Debug, Deserialize)]
        struct Outer {
            #[serde(flatten)]
            _inner: Inner,
        }
        #[derive(Debug, Deserialize)]
        struct Inner {
            _n: std::num::NonZeroU32,
            _m: std::num::NonZeroI8,
        }
        for (query, field) in [("_n=0&_m=1", "_n"), ("_m=0&_n=1", "_m"), ("_n=1&_m=300", "_m")] {
            let error = read::<Outer>(query).unwrap_err();
            assert!(error.starts_with(&format!("{field}: invalid value")), "{query}: {error}");
        }
        #[derive(Debug, Deserialize)]
        #[serde(untagged)]
        #[expect(dead_code, reason = "only its errors matter")]
        enum Simple {
            Number(u32),
            Flag(bool),
        }
        for query in ["a=1&b=true&c=x", "a=true&b=1&c=x", "b=true&c=x", "c=x&a=true"] {
            let error = read::<BTreeMap<String, Simple>>(query).unwrap_err();
            assert!(error.starts_with("c: "), "{query}: {error}");
        }
    }

    #[test]
    fn the_passes_over_a_value_are_limited() {
        #[derive(Debug, Deserialize)]
        struct Numbers {
            #[serde(flatten)]
            all: BTreeMap<String, u32>,
        }
        for count in [1, 2, 11, 12, 13, 40, 500] {
            let query: Vec<_> = (0..count).map(|number| format!("n{number}={number}")).collect();
            let numbers: Numbers = read(&query.join("&")).unwrap();
            assert_eq!(numbers.all.len(), count);
            let wrong = format!("{}&bad=x", query.join("&"));
            assert!(read::<Numbers>(&wrong).unwrap_err().starts_with("bad: invalid type"));
        }
    }

    #[test]
    fn a_value_that_the_type_does_not_take_is_refused_and_not_dropped() {
        #[derive(Debug, Deserialize)]
        struct Pair {
            #[expect(dead_code, reason = "only its errors matter")]
            p: (u8, u8),
        }
        assert!(read::<Pair>("p=1&p=2").is_ok());
        assert_eq!(
            read::<Pair>("p=1&p=2&p=3").unwrap_err(),
            "p: given 3 times, but it takes 2 values"
        );
        assert!(read::<Pair>("p=1").is_err());
        assert!(read::<HashMap<String, [u8; 1]>>("p=1&p=2").is_err());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_and_never_replaced() {
        for query in ["text=%FF", "text=a&x=%ff", "%C3=1&text=a", "text=+%E4+", "text=%C3%28"] {
            let error = read::<Search>(query).unwrap_err();
            assert!(error.contains("not UTF-8"), "{query}: {error}");
        }
        let text = |query| read::<Search>(query).map(|search| search.text);
        assert_eq!(text("text=100%&page=1"), Ok("100%".to_owned()));
        assert_eq!(text("text=%zz%4"), Ok("%zz%4".to_owned()));
    }

    proptest! {
        #[test]
        fn flatten_reads_what_a_plain_struct_reads(n in any::<i32>(), f in -1e9..1e9_f64, text in "[0-9a-z.+%-]{0,4}") {
            #[derive(Debug, Deserialize, PartialEq)]
            struct Inner { n: i32, f: f64, text: String }
            #[derive(Debug, Deserialize, PartialEq)]
            struct Outer { #[serde(flatten)] inner: Inner }
            let (n, f) = (n.to_string(), f.to_string());
            let fields = [("n", &*n), ("text", &text), ("f", &f)];
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            prop_assert_eq!(read::<Outer>(&query).map(|outer| outer.inner), read::<Inner>(&query));
        }

        #[test]
        fn an_encoded_query_is_read_back(pairs in prop::collection::vec((".{0,4}", ".{0,8}"), 0..8)) {
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (name, text) in &pairs {
                lists.entry(name.clone()).or_default().push(text.clone());
            }
            prop_assert_eq!(read(&query), Ok(lists));
            prop_assert_eq!(read(&query), Ok(pairs));
        }

        #[test]
        fn no_query_panics(query in "[a-c=&%+0-9\\[\\]é]{0,32}") {
            let _ = read::<Search>(&query);
            let _ = read::<HashMap<String, u8>>(&query);
            let _ = read::<Flattened>(&query);
            let _ = read::<Untagged>(&query);
        }
    }
}
