//! Tests of names with brackets, as queries and forms read them.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::non_empty::NonEmptyFields;
use super::parts::MAX_BRACKETS;

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let pairs = super::pairs::pairs(text).expect("UTF-8");
    super::pairs::read(&pairs).map_err(|error| format!("{}: {error}", error.at))
}

#[derive(Debug, Default, Deserialize, PartialEq)]
struct Address {
    city: String,
    number: Option<u16>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Order {
    address: Option<Address>,
    tag: Vec<u8>,
    items: Vec<Item>,
    by: BTreeMap<String, f32>,
    pay: Option<Pay>,
    one: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Item {
    name: String,
    #[serde(default)]
    sizes: Vec<u32>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Pay {
    Cash,
    Card { number: u64 },
    Voucher(String),
}

fn address(city: &str, number: Option<u16>) -> Option<Address> {
    Some(Address { city: city.to_owned(), number })
}

#[test]
fn brackets_are_parts_of_structs_maps_lists_and_enums() {
    let item = |name: &str, sizes: &[u32]| Item { name: name.to_owned(), sizes: sizes.to_vec() };
    let empty = Order::default;
    for (text, order) in [
        ("", empty()),
        ("address[city]=a+b", Order { address: address("a b", None), ..empty() }),
        (
            "address[number]=7&tag[]=1&address%5Bcity%5D=x&tag[]=2",
            Order { address: address("x", Some(7)), tag: vec![1, 2], ..empty() },
        ),
        ("tag[]=1", Order { tag: vec![1], ..empty() }),
        ("tag=1&tag[]=2", Order { tag: vec![1, 2], ..empty() }),
        ("tag[10]=3&tag[2]=2&tag[0]=1", Order { tag: vec![1, 2, 3], ..empty() }),
        (
            "items[1][name]=b&items[0][name]=a&items[0][sizes][]=1&items[0][sizes][]=2",
            Order { items: vec![item("a", &[1, 2]), item("b", &[])], ..empty() },
        ),
        (
            "by[x]=1&by[y]=2.5",
            Order { by: [("x".to_owned(), 1.0), ("y".to_owned(), 2.5)].into(), ..empty() },
        ),
        ("pay=cash", Order { pay: Some(Pay::Cash), ..empty() }),
        ("pay[card][number]=42", Order { pay: Some(Pay::Card { number: 42 }), ..empty() }),
        ("pay[voucher]=7", Order { pay: Some(Pay::Voucher("7".to_owned())), ..empty() }),
        // Names that no field has are ignored, also if they contradict each other.
        ("x[a]=1&x=2&y[][a]=1&[a]=1&a]=1&z[=1&z]=2&z[a]b=3", empty()),
    ] {
        assert_eq!(read(text), Ok(order), "{text}");
    }
}

#[test]
fn an_error_names_the_path_of_its_field() {
    for (text, error) in [
        ("address[number]=7", "address[city]: missing"),
        ("address[city]=x&address[number]=y", "address[number]: invalid digit found in string"),
        ("tag[]=1&tag[]=x", "tag[1]: invalid digit found in string"),
        ("tag[7]=x", "tag[7]: invalid digit found in string"),
        ("items[0][name]=a&items[3][sizes]=1", "items[3][name]: missing"),
        ("items[0][name]=a&items[0][sizes][]=x", "items[0][sizes][0]: invalid digit"),
        ("one[a]=1", "one: it has the part `[a]`, but it takes one value"),
        ("tag[a]=1", "tag: it has the part `[a]`, but it takes a list"),
        ("address=x", "address: invalid type: string \"x\", expected struct Address"),
        ("address[city]=x&address=y", "address: it has a value, and parts with names in brackets"),
        ("items[][name]=a", "items: `[]` must be the last bracket"),
        ("pay[card]=1", "pay[card]: invalid type"),
    ] {
        let found = read::<Order>(text).unwrap_err();
        assert!(found.starts_with(error), "{text}: {found}");
    }
}

#[test]
fn behind_flatten_and_in_enums_parts_are_read_too() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Outer {
        page: u32,
        #[serde(flatten)]
        order: Order,
    }
    let text = "page=1&address[city]=7&address[number]=8&tag[]=1&items[0][name]=5&by[x]=2";
    let outer: Outer = read(text).unwrap();
    assert_eq!((outer.page, outer.order.address), (1, address("7", Some(8))));
    assert_eq!((outer.order.tag, outer.order.items[0].name.as_str()), (vec![1], "5"));
    assert_eq!(outer.order.by["x"], 2.0);

    let outer: Outer = read("page=1&by[1]=2&by[0]=1").unwrap();
    assert_eq!(outer.order.by["1"], 2.0);

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(tag = "kind", rename_all = "lowercase")]
    enum Tagged {
        Home { address: Address },
        Work { tag: Vec<u8> },
    }
    let home = Tagged::Home { address: address("x", Some(1)).unwrap() };
    assert_eq!(read("kind=home&address[city]=x&address[number]=1"), Ok(home));
    assert_eq!(read("tag[0]=1&kind=work"), Ok(Tagged::Work { tag: vec![1] }));
}

#[test]
fn a_type_that_takes_one_value_gets_whole_names() {
    let map = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    assert_eq!(read("a[b]=1&c=2"), Ok(map(&[("a[b]", "1"), ("c", "2")])));
    assert_eq!(read("a[b]=1&a=2"), Ok(map(&[("a[b]", "1"), ("a", "2")])));
    assert_eq!(read("a[][b]=1"), Ok(map(&[("a[][b]", "1")])));
    let nested = HashMap::from([("a".to_owned(), map(&[("b", "1"), ("c", "2")]))]);
    assert_eq!(read("a[b]=1&a[c]=2"), Ok(nested));
    let pairs = vec![("a[b]".to_owned(), "1".to_owned())];
    assert_eq!(read("a[b]=1"), Ok(pairs));

    #[derive(Debug, Deserialize, PartialEq)]
    struct Renamed {
        #[serde(rename = "tag[]")]
        tags: Vec<u8>,
    }
    assert_eq!(read("tag[]=1&tag[]=2"), Ok(Renamed { tags: vec![1, 2] }));
}

#[test]
fn brackets_are_limited() {
    let name = |count: usize| format!("by{}=1", "[x]".repeat(count));
    #[derive(Debug, Deserialize)]
    struct Value {
        by: serde_json::Value,
    }
    for count in 1..=MAX_BRACKETS {
        let mut value = read::<Value>(&name(count)).unwrap().by;
        for _ in 0..count {
            value = value["x"].take();
        }
        assert_eq!(value, "1");
    }
    let error = read::<Value>(&name(MAX_BRACKETS + 1)).unwrap_err();
    assert_eq!(error, format!("by: it has more than {MAX_BRACKETS} levels of brackets"));
}

#[test]
fn an_empty_field_is_absent_on_request() {
    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Search {
        #[serde(default)]
        text: String,
        page: Option<u32>,
        #[serde(default)]
        tag: Vec<u8>,
        address: Option<Address>,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    let text = "text=&page=&tag=&tag=1&address[city]=&address[number]=&x=";
    let found: NonEmptyFields<Search> = read(text).unwrap();
    assert_eq!(found.0, Search { tag: vec![1], ..Search::default() });
    assert!(read::<Search>(text).is_err());

    #[derive(Debug, Deserialize)]
    struct Required {
        _name: String,
    }
    assert_eq!(read::<NonEmptyFields<Required>>("_name=").unwrap_err(), "_name: missing");
    assert_eq!(read::<Option<NonEmptyFields<Required>>>("").unwrap().map(|_| ()), None);
    let json: NonEmptyFields<Required> = serde_json::from_str(r#"{"_name":""}"#).unwrap();
    assert_eq!(json.into_inner()._name, "");
}
