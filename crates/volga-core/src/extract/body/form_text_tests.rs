//! Tests the writer of forms, and that the reader reads its texts back.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::extract::body::form_text::write;
use crate::extract::fields::pairs::{pairs, read};

fn read_back<T: DeserializeOwned>(text: &str) -> T {
    read(&pairs(text).unwrap()).unwrap()
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
struct Order {
    name: String,
    ratio: f64,
    flag: bool,
    missing: Option<u8>,
    tags: Vec<String>,
    items: Vec<Item>,
    by: BTreeMap<i8, char>,
    pay: Vec<Pay>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Item {
    size: (u8, i64),
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
enum Pay {
    Cash,
    Card { number: u64 },
    Voucher(String),
}

#[test]
fn values_are_written_as_the_reader_takes_them() {
    let order = Order {
        name: "tea & pot=é*-._~".to_owned(),
        ratio: 1.5,
        tags: vec!["a".to_owned(), "b c".to_owned()],
        items: vec![Item { size: (1, -2) }],
        by: [(-1, 'x')].into(),
        pay: vec![Pay::Card { number: 7 }, Pay::Voucher("v".to_owned())],
        ..Order::default()
    };
    let text = write(&order).unwrap();
    assert_eq!(
        text,
        "name=tea+%26+pot%3D%C3%A9*-._%7E&ratio=1.5&flag=false&tags=a&tags=b+c\
         &items%5B0%5D%5Bsize%5D=1&items%5B0%5D%5Bsize%5D=-2&by%5B-1%5D=x\
         &pay%5B0%5D%5BCard%5D%5Bnumber%5D=7&pay%5B1%5D%5BVoucher%5D=v"
    );
    assert_eq!(read_back::<Order>(&text), order);
    assert_eq!(write(&[("pay", [Pay::Cash, Pay::Cash])]).unwrap(), "pay=Cash&pay=Cash");
    assert_eq!(write(&[("a", 1), ("b", 2)]).unwrap(), "a=1&b=2");
    assert_eq!(write(&BTreeMap::from([(1, true)])).unwrap(), "1=true");
    assert_eq!(write(&()).unwrap(), "");
    assert_eq!(write(&Pay::Card { number: 7 }).unwrap(), "Card%5Bnumber%5D=7");
}

#[test]
fn what_a_form_cannot_hold_is_an_error() {
    for error in [
        write(&1).unwrap_err(),
        write(&"text").unwrap_err(),
        write(&[1, 2]).unwrap_err(),
        write(&[(1, 2, 3)]).unwrap_err(),
        write(&[("a",)]).unwrap_err(),
        write(&BTreeMap::from([(vec![1], 1)])).unwrap_err(),
    ] {
        assert!(error.to_string().starts_with("the value cannot be written as a form"));
    }
}

fn orders() -> impl Strategy<Value = Order> {
    let item = (any::<u8>(), any::<i64>()).prop_map(|size| Item { size });
    let fields = (
        ".{0,6}",
        any::<i32>(),
        any::<bool>(),
        any::<Option<u8>>(),
        prop::collection::vec(".{0,4}", 0..3),
        prop::collection::vec(item, 0..3),
        prop::collection::btree_map(any::<i8>(), any::<char>(), 0..3),
    );
    fields.prop_map(|(name, ratio, flag, missing, tags, items, by)| Order {
        name,
        ratio: f64::from(ratio) / 4.0,
        flag,
        missing,
        tags,
        items,
        by,
        pay: Vec::new(),
    })
}

proptest! {
    #[test]
    fn a_written_value_is_read_back(order in orders()) {
        let text = write(&order).unwrap();
        prop_assert_eq!(read_back::<Order>(&text), order);
    }
}

#[test]
fn a_list_whose_items_have_parts_has_numbers() {
    let text = write(&[("pay", vec![Pay::Cash, Pay::Voucher("v".to_owned()), Pay::Cash])]).unwrap();
    assert_eq!(text, "pay%5B0%5D=Cash&pay%5B1%5D%5BVoucher%5D=v&pay%5B2%5D=Cash");
}

#[test]
fn what_would_be_lost_or_refused_is_an_error() {
    #[derive(Serialize)]
    enum Odd {
        Empty {},
        Missing(Option<u8>),
        List(Vec<u8>),
        Named { name: Option<u8> },
    }

    fn deep(levels: usize) -> BTreeMap<String, serde_json::Value> {
        let inner =
            (0..levels).fold(serde_json::json!("x"), |inner, _| serde_json::json!({ "a": inner }));
        [("top".to_owned(), inner)].into()
    }

    let map = |key: &str| BTreeMap::from([("m", BTreeMap::from([(key.to_owned(), 1)]))]);
    for (written, expect) in [
        (write(&[("a", vec![Some(1), None])]), "the item 1 of `a` has no text"),
        (write(&[("a", vec![vec![], vec![1]])]), "the item 0 of `a` has no text"),
        (write(&[("a", Odd::Empty {})]), "the variant `Empty` has no text"),
        (write(&Odd::Empty {}), "the variant `Empty` has no text"),
        (write(&[("a", Odd::Missing(None))]), "the variant `Missing` has no text"),
        (write(&[("a", [Odd::List(vec![])])]), "the variant `List` has no text"),
        (write(&[("a", Odd::Named { name: None })]), "the variant `Named` has no text"),
        (write(&map("a[b")), "the name `a[b` within `m` is empty or has a bracket"),
        (write(&map("]")), "the name `]` within `m` is empty or has a bracket"),
        (write(&map("")), "the name `` within `m` is empty or has a bracket"),
        (write(&deep(9)), "has more than 8 levels of names"),
    ] {
        let error = written.unwrap_err().to_string();
        assert!(error.contains(expect), "{error} is not {expect}");
    }
    assert!(write(&deep(8)).is_ok());
    assert_eq!(write(&[("a", Odd::Missing(Some(1)))]).unwrap(), "a%5BMissing%5D=1");
}

/// Values of every shape, with enums whose variants mix.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
enum Shape {
    Unit,
    Text(String),
    Number(i64),
    Flag(bool),
    Pair(u8, String),
    List(Vec<u8>),
    Fields { a: Option<u8>, b: String },
    Maybe(Option<char>),
    Inner(Box<Shape>),
    Two(Box<(Shape, Shape)>),
    Shapes(Vec<Shape>),
    Map(BTreeMap<String, Shape>),
}

impl Shape {
    /// Whether the shape has a text, and each of its parts has.
    fn is_whole(&self) -> bool {
        match self {
            Self::List(list) => !list.is_empty(),
            Self::Maybe(char) => char.is_some(),
            Self::Inner(inner) => inner.is_whole(),
            Self::Two(two) => two.0.is_whole() && two.1.is_whole(),
            Self::Shapes(shapes) => !shapes.is_empty() && shapes.iter().all(Self::is_whole),
            Self::Map(map) => !map.is_empty() && map.values().all(Self::is_whole),
            _ => true,
        }
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Shapes {
    one: Shape,
    maybe: Option<Shape>,
    #[serde(default)]
    many: Vec<Shape>,
    two: (Shape, Shape),
    #[serde(default)]
    by: BTreeMap<String, Shape>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Unit),
        Just(Shape::Unit),
        ".{0,3}".prop_map(Shape::Text),
        any::<i64>().prop_map(Shape::Number),
        any::<bool>().prop_map(Shape::Flag),
        (any::<u8>(), ".{0,3}").prop_map(|(number, text)| Shape::Pair(number, text)),
        prop::collection::vec(any::<u8>(), 0..3).prop_map(Shape::List),
        (any::<Option<u8>>(), ".{0,3}").prop_map(|(a, b)| Shape::Fields { a, b }),
        prop::option::weighted(0.9, any::<char>()).prop_map(Shape::Maybe),
    ];
    leaf.prop_recursive(2, 12, 3, |inner| {
        let name = "[a-z0-9 ]{1,2}";
        prop_oneof![
            inner.clone().prop_map(|shape| Shape::Inner(Box::new(shape))),
            (inner.clone(), inner.clone()).prop_map(|two| Shape::Two(Box::new(two))),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Shape::Shapes),
            prop::collection::btree_map(name, inner, 0..3).prop_map(Shape::Map),
        ]
    })
}

fn shapes() -> impl Strategy<Value = Shapes> {
    let by = prop::collection::btree_map("[a-z0-9 ]{1,2}", shape(), 0..3);
    let many = prop::collection::vec(shape(), 0..4);
    let fields = (shape(), prop::option::of(shape()), many, (shape(), shape()), by);
    fields.prop_map(|(one, maybe, many, two, by)| Shapes { one, maybe, many, two, by })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    /// The reader gets back every value that was written. The writer refuses only the others.
    #[test]
    fn the_writer_and_the_reader_agree_on_every_shape(form in shapes()) {
        let Shapes { one, maybe, many, two, by } = &form;
        let all = [one, &two.0, &two.1].into_iter().chain(maybe).chain(many).chain(by.values());
        let is_whole = all.clone().all(Shape::is_whole);
        match write(&form) {
            Ok(text) => prop_assert_eq!(&read_back::<Shapes>(&text), &form),
            Err(error) => prop_assert!(!is_whole, "{}", error),
        }
        for shape in all {
            match write(shape) {
                Ok(text) => prop_assert_eq!(&read_back::<Shape>(&text), shape, "{}", text),
                Err(error) => prop_assert!(!shape.is_whole(), "{}", error),
            }
        }
    }
}
