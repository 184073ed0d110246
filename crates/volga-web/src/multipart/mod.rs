//! Forms with files: `multipart/form-data`, read and sent.

pub(crate) mod builder;
pub(crate) mod error;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod gate;
pub(crate) mod limits;
pub(crate) mod part;
pub(crate) mod part_reader;
pub(crate) mod reader;
pub(crate) mod temp_file;
