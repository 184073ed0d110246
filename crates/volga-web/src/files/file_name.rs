//! `FileName`: the name of one file, without a folder (pure).

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use volga_core::FromPathArg;

/// The maximum length of a [`FileName`]: 255 bytes, as most file systems have it.
pub const MAX_FILE_NAME: usize = 255;

/// The name of one file. It is never a path, so `folder.join(name)` is always in the folder.
///
/// As an argument of a handler it takes a path argument, and refuses everything that [`new`]
/// refuses with status 400.
///
/// [`new`]: Self::new
///
/// ```
/// use volga_web::FileName;
///
/// assert!(FileName::new("report.pdf").is_ok());
/// for other in ["", "..", "../up", "/etc/passwd", "a\0b", "C:\\a", "nul.txt", "a."] {
///     assert!(FileName::new(other).is_err(), "{other}");
/// }
/// assert_eq!(FileName::from_client("C:\\photos\\sea?.jpg").unwrap().as_str(), "sea_.jpg");
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FileName(String);

/// Why a text is not a [`FileName`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FileNameError {
    /// The text is empty, or only blanks and dots.
    #[error("the name of a file is not empty, `.` or `..`")]
    Empty,
    /// The text has a character that some system takes for the end of a folder or of the name.
    #[error("the name of a file has no `{0}`")]
    Character(char),
    /// The text ends in a dot or a blank, which Windows leaves out.
    #[error("the name of a file does not end in a dot or a blank")]
    End,
    /// Windows has a device with this name.
    #[error("the name of a file is not that of a device, such as `CON` or `NUL`")]
    Device,
    /// The text is too long.
    #[error("the name of a file has at most {MAX_FILE_NAME} bytes")]
    TooLong,
}

impl FileName {
    /// Takes a text that is the name of a file on every system.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is empty, `.` or `..`; has a slash, a backslash, one of
    /// `< > : " | ? *` or a control character; ends in a dot or a blank; is the name of a device
    /// of Windows, such as `NUL` or `com1.txt`; or is longer than [`MAX_FILE_NAME`].
    pub fn new(text: impl Into<String>) -> Result<Self, FileNameError> {
        let text = text.into();
        check(&text)?;
        Ok(Self(text))
    }

    /// Makes a file name of what a client calls a file. Takes the part after the last slash or
    /// backslash, because some clients send a path, and changes what [`new`](Self::new) refuses:
    /// forbidden characters become `_`, and a name that is too long is cut before its extension.
    ///
    /// # Errors
    ///
    /// Returns [`FileNameError::Empty`] if nothing is left.
    pub fn from_client(text: &str) -> Result<Self, FileNameError> {
        let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
        let clean: String =
            last.chars().map(|char| if is_forbidden(char) { '_' } else { char }).collect();
        let clean = clean.trim_end_matches([' ', '.']);
        if clean.is_empty() {
            return Err(FileNameError::Empty);
        }
        let clean = if is_device(clean) { format!("_{clean}") } else { clean.to_owned() };
        Self::new(shorten(&clean))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of the file in a folder.
    #[must_use]
    pub fn within(&self, folder: impl AsRef<Path>) -> PathBuf {
        folder.as_ref().join(&self.0)
    }
}

/// Returns the reason if the text is not the name of a file on every system.
pub(crate) fn check(text: &str) -> Result<(), FileNameError> {
    if text.trim_matches([' ', '.']).is_empty() {
        return Err(FileNameError::Empty);
    }
    if let Some(char) = text.chars().find(|char| is_forbidden(*char)) {
        return Err(FileNameError::Character(char));
    }
    if text.ends_with([' ', '.']) {
        return Err(FileNameError::End);
    }
    if is_device(text) {
        return Err(FileNameError::Device);
    }
    if text.len() > MAX_FILE_NAME { Err(FileNameError::TooLong) } else { Ok(()) }
}

fn is_forbidden(char: char) -> bool {
    char.is_control() || matches!(char, '/' | '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*')
}

/// Whether Windows takes the name for a device, with any extension.
fn is_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or_default().trim_end_matches(' ');
    let stem = stem.to_ascii_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&&*stem) {
        return true;
    }
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    let mut rest = port.unwrap_or_default().chars();
    matches!((rest.next(), rest.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

/// Cuts a name that is too long, before its extension if that is short.
fn shorten(name: &str) -> String {
    if name.len() <= MAX_FILE_NAME {
        return name.to_owned();
    }
    let dot = name.rfind('.').filter(|dot| name.len() - dot <= 20);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let most = MAX_FILE_NAME - extension.len();
    let cut = (0..=most).rev().find(|at| stem.is_char_boundary(*at)).unwrap_or_default();
    let stem =
        if extension.is_empty() { stem[..cut].trim_end_matches([' ', '.']) } else { &stem[..cut] };
    format!("{stem}{extension}")
}

impl FromPathArg for FileName {
    type Error = FileNameError;

    fn from_path_arg(text: &str) -> Result<Self, FileNameError> {
        Self::new(text)
    }
}

impl FromStr for FileName {
    type Err = FileNameError;

    fn from_str(text: &str) -> Result<Self, FileNameError> {
        Self::new(text)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for FileName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<Path> for FileName {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_from_a_client_is_its_last_component() {
        for (text, expect) in [
            ("a.txt", "a.txt"),
            ("/etc/passwd", "passwd"),
            ("../../a.txt", "a.txt"),
            ("C:\\dir\\a.txt", "a.txt"),
            ("C:a.txt", "C_a.txt"),
            ("a\0.txt", "a_.txt"),
            ("nul", "_nul"),
            ("Com1.tar.gz", "_Com1.tar.gz"),
            ("lpt¹", "_lpt¹"),
            ("console", "console"),
            ("a. . ", "a"),
            (".hidden", ".hidden"),
            ("näme \u{1f4c4}.pdf", "näme \u{1f4c4}.pdf"),
        ] {
            assert_eq!(FileName::from_client(text).unwrap().as_str(), expect);
        }
        for text in ["", ".", "..", "a/", "a\\..", " . "] {
            assert_eq!(FileName::from_client(text), Err(FileNameError::Empty), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_keeps_its_extension() {
        let name = FileName::from_client(&format!("{}.jpeg", "ä".repeat(300))).unwrap();
        assert!(name.as_str().len() <= MAX_FILE_NAME && name.as_str().ends_with("ä.jpeg"));
        assert_eq!(FileName::new("a".repeat(256)), Err(FileNameError::TooLong));
        assert!(FileName::new("a".repeat(255)).is_ok());
    }

    proptest! {
        #[test]
        fn no_name_leaves_its_folder(text in "[./\\\\:a\0 ]{0,12}|.{0,300}") {
            for name in [FileName::from_client(&text), FileName::new(text)].into_iter().flatten() {
                let path = name.within("folder");
                prop_assert_eq!(path.parent(), Some(Path::new("folder")));
                prop_assert_eq!(path.components().count(), 2);
                prop_assert_eq!(FileName::new(name.as_str()), Ok(name.clone()));
            }
        }
    }
}
