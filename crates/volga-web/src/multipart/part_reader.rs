//! `PartReader`: reads the heads and the contents of a form's parts, within the limits.

use std::{fmt, future::poll_fn, path::PathBuf, pin::Pin};

use bytes::Bytes;
use futures_core::Stream;
use volga_core::{CollectedBytes, Error, HttpBody};

use crate::multipart::error::MultipartError;
use crate::multipart::gate::{Gate, GatedBody};
use crate::multipart::limits::MultipartLimits;

/// A form that is being read, one part after another.
pub(crate) struct PartReader {
    parser: multer::Multipart<'static>,
    gate: Gate,
    pub(crate) limits: MultipartLimits,
    /// The part whose content may not have been read yet.
    field: Option<multer::Field<'static>>,
    /// The name of the current or the last part.
    name: Option<String>,
    count: usize,
    /// How many bytes of parts were put into memory.
    memory: usize,
    /// How many bytes of the current part have come.
    part_bytes: u64,
    pub(crate) temp_folder: Option<PathBuf>,
    /// A count of zero, from which the counts of the app are made.
    collected: CollectedBytes,
}

impl PartReader {
    pub(crate) fn new(boundary: String, body: HttpBody, collected: CollectedBytes) -> Self {
        let gate = Gate::default();
        let body = GatedBody { body, gate: gate.clone() };
        Self {
            parser: multer::Multipart::new(body, boundary),
            gate,
            limits: MultipartLimits::default(),
            field: None,
            name: None,
            count: 0,
            memory: 0,
            part_bytes: 0,
            temp_folder: None,
            collected,
        }
    }

    /// Reads the rest of the current part and drops it. Then waits for the head of the next part.
    /// Returns false at the end of the form.
    pub(crate) async fn next_part(&mut self) -> Result<bool, Error> {
        while self.chunk().await?.is_some() {}
        self.begin_part().await
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.temp_folder.clone().unwrap_or_else(std::env::temp_dir)
    }

    pub(crate) fn field(&self) -> Option<&multer::Field<'static>> {
        self.field.as_ref()
    }

    pub(crate) fn part_name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Returns a new count of the bytes that all requests of the app collect together.
    pub(crate) fn new_count(&self) -> CollectedBytes {
        self.collected.new_count()
    }

    /// Counts bytes that are put into memory.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Error> {
        self.memory = self.memory.saturating_add(bytes);
        if self.memory > self.limits.memory {
            let (field, limit) = (self.part_name().to_owned(), self.limits.memory);
            return Err(MultipartError::TooMuchMemory { field, limit }.into_error());
        }
        Ok(())
    }

    /// Waits for the head of the next part. Returns false at the end of the form.
    async fn begin_part(&mut self) -> Result<bool, Error> {
        self.field = None;
        let (limits, before) = (&self.limits, self.name.clone());
        let too_large = || {
            let field = before.clone().unwrap_or_default();
            MultipartError::HeadersTooLarge { field, limit: limits.headers }.into_error()
        };
        // A boundary comes before the headers.
        let most = limits.headers + MAX_DELIMITER;
        let check = |passed| if passed > most { Err(too_large()) } else { Ok(()) };
        let (parser, gate) = (&mut self.parser, &self.gate);
        let field = poll_fn(|cx| {
            let poll = |cx: &mut std::task::Context<'_>| {
                let polled = parser.poll_next_field(cx);
                polled.map_err(|error| MultipartError::of_parser(error, before.as_deref()))
            };
            gate.poll(cx, poll, check)
        });
        let Some(field) = field.await? else { return Ok(false) };
        let header_bytes = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            name.as_str().len() + value.len() + ": \r\n".len()
        };
        if field.headers().iter().map(header_bytes).sum::<usize>() > limits.headers {
            return Err(too_large());
        }
        if self.count == limits.parts {
            let (field, limit) = (before.unwrap_or_default(), limits.parts);
            return Err(MultipartError::TooManyParts { field, limit }.into_error());
        }
        self.count += 1;
        self.part_bytes = 0;
        let number = self.count;
        let Some(name) = field.name() else {
            return Err(MultipartError::Unnamed { number }.into_error());
        };
        self.name = Some(name.to_owned());
        self.field = Some(field);
        Ok(true)
    }

    /// Waits for the next bytes of the current part. `None` means its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(field) = &mut self.field else { return Ok(None) };
        let (gate, name) = (&self.gate, self.name.as_deref());
        let chunk = poll_fn(|cx| {
            let poll = |cx: &mut std::task::Context<'_>| {
                let polled = Pin::new(&mut *field).poll_next(cx);
                polled.map(|chunk| {
                    chunk.transpose().map_err(|error| MultipartError::of_parser(error, name))
                })
            };
            gate.poll(cx, poll, |_| Ok(()))
        });
        let Some(chunk) = chunk.await? else {
            self.field = None;
            self.gate.reset();
            return Ok(None);
        };
        self.part_bytes += chunk.len() as u64;
        let limit = self.limits.of_part(self.part_name());
        if let Some(limit) = limit.filter(|limit| self.part_bytes > *limit) {
            let field = self.part_name().to_owned();
            return Err(MultipartError::PartTooLarge { field, limit }.into_error());
        }
        Ok(Some(chunk))
    }
}

/// The most bytes of a boundary with its dashes and line ends.
const MAX_DELIMITER: usize = 128;

impl fmt::Debug for PartReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartReader")
            .field("limits", &self.limits)
            .field("part", &self.name)
            .finish_non_exhaustive()
    }
}
