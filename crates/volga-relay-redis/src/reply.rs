//! Takes the replies of Redis apart. Pure. A reply of another form is `None`.

use redis::Value;

/// The items of an array. Nil is an empty array.
pub(crate) fn array(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) | Value::Set(items) => Some(items),
        Value::Nil => Some(Vec::new()),
        Value::Map(pairs) => {
            Some(pairs.into_iter().flat_map(|(one, other)| [one, other]).collect())
        }
        _ => None,
    }
}

/// The bytes of a text.
pub(crate) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        Value::Okay => Some(b"OK".to_vec()),
        _ => None,
    }
}

pub(crate) fn text(value: Value) -> Option<String> {
    String::from_utf8(bytes(value)?).ok()
}

/// A number, which scripts return as a text.
pub(crate) fn number(value: Value) -> Option<u64> {
    match value {
        Value::Int(number) => number.try_into().ok(),
        other => text(other)?.parse().ok(),
    }
}

/// Exactly this many items of an array.
pub(crate) fn items<const COUNT: usize>(value: Value) -> Option<[Value; COUNT]> {
    array(value)?.try_into().ok()
}
