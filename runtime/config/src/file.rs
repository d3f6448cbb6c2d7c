//! Files as a whole.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crate::fault::shown;
use crate::yaml::{MAX_FILE_BYTES, Node, parse};
use crate::{Faults, Place};

/// Reads a YAML file, which another file may have named at a place. None where it cannot be used at all; the reason is
/// among the faults then.
pub(crate) fn open(path: &Path, named_at: Option<&Place>, faults: &mut Faults) -> Option<Node> {
    let name: Arc<str> = path.to_string_lossy().into();
    match read_bounded(path, MAX_FILE_BYTES) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => parse(&name, &text, faults),
            Err(error) => {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = good.iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
                faults.error(&Place { file: name, line, column: 1 }, "this line is not UTF-8");
                None
            }
        },
        Err(error) => {
            match named_at {
                Some(place) => faults.error(place, format!("cannot read {}: {error}", shown(&name))),
                None => faults.error(&Place::file(name), format!("cannot read the file: {error}")),
            }
            None
        }
    }
}

/// The folder that relative paths of a file begin at.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Opens a file or a folder for reading; nothing else, for opening a pipe would wait for its other end, perhaps for ever.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    File::open(path)
}

/// A file's content; an error where it is larger than `most` bytes.
pub(crate) fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_file(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}
