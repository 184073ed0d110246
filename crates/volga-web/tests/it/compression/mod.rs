//! Compressed responses, decoded with the libraries' own decoders.

mod bodies;
mod headers;

use std::io::Write;

use volga_web::ContentCoding;

/// Decodes a body piece by piece.
pub(crate) enum Decoder {
    Gzip(flate2::write::MultiGzDecoder<Vec<u8>>),
    Deflate(flate2::write::ZlibDecoder<Vec<u8>>),
    Brotli(Box<brotli::DecompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Decoder<'static, Vec<u8>>),
}

impl Decoder {
    pub(crate) fn new(coding: ContentCoding) -> Self {
        match coding {
            ContentCoding::Gzip => Self::Gzip(flate2::write::MultiGzDecoder::new(Vec::new())),
            ContentCoding::Deflate => Self::Deflate(flate2::write::ZlibDecoder::new(Vec::new())),
            ContentCoding::Brotli => {
                // It keeps back what does not fit into its buffer.
                Self::Brotli(Box::new(brotli::DecompressorWriter::new(Vec::new(), 1 << 20)))
            }
            ContentCoding::Zstd => {
                Self::Zstd(zstd::stream::write::Decoder::new(Vec::new()).unwrap())
            }
        }
    }

    /// Takes compressed bytes, and returns the plain bytes that are known after them.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Gzip(decoder) => feed(decoder, bytes),
            Self::Deflate(decoder) => feed(decoder, bytes),
            Self::Brotli(decoder) => feed(decoder, bytes),
            Self::Zstd(decoder) => feed(decoder, bytes),
        }
        match self {
            Self::Gzip(decoder) => std::mem::take(decoder.get_mut()),
            Self::Deflate(decoder) => std::mem::take(decoder.get_mut()),
            Self::Brotli(decoder) => std::mem::take(decoder.get_mut()),
            Self::Zstd(decoder) => std::mem::take(decoder.get_mut()),
        }
    }

    /// Fails unless the compressed body has ended properly.
    pub(crate) fn finish(self) {
        match self {
            Self::Gzip(mut decoder) => decoder.try_finish().unwrap(),
            Self::Deflate(mut decoder) => decoder.try_finish().unwrap(),
            Self::Brotli(mut decoder) => decoder.close().unwrap(),
            // Its end is checked by the bytes: a frame without an end has no last block.
            Self::Zstd(mut decoder) => decoder.flush().unwrap(),
        }
    }
}

fn feed(decoder: &mut impl Write, bytes: &[u8]) {
    decoder.write_all(bytes).unwrap();
    decoder.flush().unwrap();
}

pub(crate) fn decode(coding: ContentCoding, bytes: &[u8]) -> Vec<u8> {
    if coding == ContentCoding::Zstd {
        return zstd::stream::decode_all(bytes).unwrap();
    }
    let mut decoder = Decoder::new(coding);
    let plain = decoder.feed(bytes);
    decoder.finish();
    plain
}
