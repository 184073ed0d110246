//! Reads a whole form into its fields, and those into a type.

use std::hash::{BuildHasher, RandomState};

use serde::de::DeserializeOwned;
use volga_core::{Error, FileNumber, FormFields};

use crate::multipart::error::MultipartError;
use crate::multipart::part::Part;
use crate::multipart::part_reader::PartReader;
use crate::multipart::temp_file::{FILE_TYPE, with_files};

/// Reads a form to its end, and makes a value of its fields.
pub(crate) async fn collect<T: DeserializeOwned>(mut form: PartReader) -> Result<T, Error> {
    let mut fields = FormFields::new().with_file_type(FILE_TYPE);
    let mut files = Vec::new();
    // Random, so that no other form on this thread has the same numbers.
    let first_number = RandomState::new().hash_one(0_u8);
    let (mut collected, mut bytes) = (form.new_count(), 0);
    while form.next_part().await? {
        let mut part = Part::new(&mut form);
        let name = part.name().to_owned();
        let mut held = name.len();
        if !part.is_file() {
            let text = part.text().await?;
            held += text.len();
            fields.add_text(&*name, text);
        } else {
            let file = part.temp_file().await?;
            // A browser sends this for a file that the user did not choose.
            if file.size() == 0 && part.raw_file_name() == Some("") {
                continue;
            }
            let number = FileNumber(first_number.wrapping_add(files.len() as u64));
            fields.add_file(&*name, number);
            files.push(file.with_number(number));
        }
        form.hold(name.len())?;
        bytes += held;
        collected.resize(bytes)?;
    }
    with_files(files, || fields.read())
        .map_err(|error| MultipartError::Shape { reason: error.to_string() }.into_error())
}
