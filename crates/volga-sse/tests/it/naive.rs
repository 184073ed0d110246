//! The parser of the HTML standard, section 9.2, written as the text describes it: it decodes the
//! whole stream first, and then does one step after the other. It is slow and plain, so that you
//! can compare it with the text. The fuzz targets use this file, too.

/// An event: its name, its data and the last event ID.
pub(crate) type Event = (String, String, String);

/// The result of a whole stream.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Parsed {
    /// In the order of their blank lines.
    pub(crate) events: Vec<Event>,
    /// The last event ID string.
    pub(crate) last_event_id: String,
    /// The reconnection time in milliseconds, if one was set.
    pub(crate) retry: Option<u64>,
}

/// Parses a whole stream.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    // "Streams must be decoded using the UTF-8 decode algorithm", which strips one leading byte
    // order mark.
    let stream = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    // CRLF, LF and CR each end a line. The text after the last end is not a line.
    let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
    let lines = stream.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let lines = if stream.contains('\n') { lines.split('\n').collect() } else { vec![] };

    let mut parsed = Parsed::default();
    let mut data_buffer = String::new();
    let mut event_type_buffer = String::new();
    let mut last_event_id_buffer = String::new();
    for line in lines {
        let (field, value) = match line.split_once(':') {
            // "Dispatch the event."
            None if line.is_empty() => {
                parsed.last_event_id.clone_from(&last_event_id_buffer);
                let data = std::mem::take(&mut data_buffer);
                let name = std::mem::take(&mut event_type_buffer);
                if let Some(data) = data.strip_suffix('\n') {
                    let name = if name.is_empty() { "message".to_owned() } else { name };
                    parsed.events.push((name, data.to_owned(), parsed.last_event_id.clone()));
                }
                continue;
            }
            // A comment.
            Some(("", _)) => continue,
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        match field {
            "event" => value.clone_into(&mut event_type_buffer),
            "data" => {
                data_buffer.push_str(value);
                data_buffer.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut last_event_id_buffer),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                // The standard allows a number of any size. Beyond some hundred million years,
                // its size makes no difference.
                parsed.retry = Some(value.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
    }
    parsed
}
