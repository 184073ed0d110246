//! QPACK, the compression of heads (RFC 9204), without the dynamic table. Pure.
//!
//! The server tells clients that its table has no space (`SETTINGS_QPACK_MAX_TABLE_CAPACITY` is 0,
//! the default), and uses none of theirs. So a head never waits for bytes of another stream, and a
//! connection holds no table.

mod decode;
mod encode;
mod huffman;
mod static_table;

pub(crate) use decode::decode;
pub(crate) use encode::encode;

/// Why a head cannot be decoded. The connection ends with `QPACK_DECOMPRESSION_FAILED`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum QpackError {
    #[error("the field section is malformed")]
    Malformed,
    #[error("the field section refers to the dynamic table, which has no space")]
    DynamicTable,
}
