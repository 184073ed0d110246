//! New copies of the programs of two servers that take turns.
//!
//! A program's pages stay at the same places of the memory for as long as the system caches its
//! file, whichever process runs it. These places decide which parts of the program compete for the
//! same lines of the processor's cache. So all processes of one file are a few per cent faster or
//! slower than those of a copy of that file, and no number of rounds would show that.

use std::{
    fs,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    failure::Failure,
    peer::{OUR_PROGRAM, Places},
};

/// The copies. They are removed when this value is dropped.
#[derive(Debug)]
pub(crate) struct ProgramCopies {
    folder: PathBuf,
    places: Places,
}

impl ProgramCopies {
    /// Copies our server and the server at an earlier revision.
    ///
    /// The copies of the round before should still exist. Otherwise these copies could get the
    /// memory of those.
    pub(crate) fn new(places: &Places) -> Result<Self, Failure> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = places.scratch.join(format!("programs-{}-{number}", process::id()));
        let before = folder.join("before");
        let copied = Places {
            programs: folder.clone(),
            before: places.before.as_ref().map(|_| before.clone()),
            ..places.clone()
        };
        fs::create_dir(&folder)?;
        // From here on, the folder is removed also if copying fails.
        let copies = Self { folder, places: copied };
        fs::copy(places.programs.join(OUR_PROGRAM), copies.folder.join(OUR_PROGRAM))?;
        if let Some(original) = &places.before {
            fs::copy(original, before)?;
        }
        Ok(copies)
    }

    /// Where the copies are, and everything else as before.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }
}

impl Drop for ProgramCopies {
    fn drop(&mut self) {
        // A folder that cannot be removed only takes space.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_has_new_files_and_they_are_removed() {
        let scratch = std::env::temp_dir().join(format!("program-copies-{}", process::id()));
        fs::create_dir_all(&scratch).expect("a folder");
        fs::write(scratch.join(OUR_PROGRAM), "now").expect("room");
        fs::write(scratch.join("old"), "earlier").expect("room");
        let places = Places {
            programs: scratch.clone(),
            bench: scratch.clone(),
            scratch: scratch.clone(),
            before: Some(scratch.join("old")),
        };
        let copies = [(); 2].map(|()| ProgramCopies::new(&places).expect("copies"));
        let folders = copies.each_ref().map(|copies| copies.places().programs.clone());
        assert_ne!(folders[0], folders[1]);
        for copies in copies {
            let places = copies.places();
            let read = |path: PathBuf| fs::read_to_string(path).expect("a copy");
            assert_eq!(read(places.programs.join(OUR_PROGRAM)), "now");
            assert_eq!(read(places.before.clone().expect("a path")), "earlier");
        }
        assert!(!folders.iter().any(|folder| folder.exists()), "{folders:?}");
        fs::remove_file(scratch.join(OUR_PROGRAM)).expect("the original stays");
        fs::remove_dir_all(&scratch).expect("its own folder");
    }
}
