//! Reads a whole form into its fields, and those into a type.

use serde::de::DeserializeOwned;
use volga_core::Error;

use crate::multipart::deserialize::{FieldValues, Value, from_fields};
use crate::multipart::error::MultipartError;
use crate::multipart::part::Part;
use crate::multipart::part_reader::PartReader;
use crate::multipart::temp_file::with_files;

/// Reads a form to its end, and makes a value of its fields.
pub(crate) async fn collect<T: DeserializeOwned>(mut form: PartReader) -> Result<T, Error> {
    let mut fields: Vec<FieldValues> = Vec::new();
    let mut files = Vec::new();
    while form.next_part().await? {
        let mut part = Part::new(&mut form);
        let name = part.name().to_owned();
        let value = if !part.is_file() {
            Value::Text(part.text().await?)
        } else {
            let file = part.temp_file().await?;
            // A browser sends this for a file that the user did not choose.
            if file.size() == 0 && part.raw_file_name() == Some("") {
                continue;
            }
            files.push(file);
            Value::File(files.len() - 1)
        };
        match fields.iter_mut().find(|field| field.name == name) {
            Some(field) => field.values.push(value),
            None => {
                form.hold(name.len())?;
                fields.push(FieldValues { name, values: vec![value] });
            }
        }
    }
    with_files(files, || from_fields(fields))
        .map_err(|error| MultipartError::Shape { reason: error.to_string() }.into_error())
}
