// SPDX-License-Identifier: GPL-2.0

//! Errors, sorted by ipvsadm's exit codes.

use std::{fmt, io};

/// A failure, in words for the person at the keyboard: one line, without the program's name.
#[derive(Debug)]
pub enum Error {
    /// The words are not a command line: no command comes first.
    Syntax(String),
    /// An option is unknown, or lacks its value. In `-R`, the next line goes on.
    Option(String),
    /// An option's value is wrong, or it does not go with the command.
    Argument(String),
    /// There is no IPVS to talk to, or no privilege to.
    Setup(String),
    /// The kernel refused a change.
    Refused(String),
    /// The subject of a listing is not there or cannot be read.
    Listing(String),
    /// Standard output or input failed.
    Stream(io::Error),
}

impl Error {
    /// The exit code that ipvsadm has for such a failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Syntax(_) | Error::Option(_) | Error::Refused(_) => 255,
            Error::Argument(_) | Error::Setup(_) => 2,
            Error::Listing(_) | Error::Stream(_) => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Syntax(text)
            | Error::Option(text)
            | Error::Argument(text)
            | Error::Setup(text)
            | Error::Refused(text)
            | Error::Listing(text) => f.write_str(text),
            Error::Stream(error) => write!(f, "cannot read or write: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Stream(error)
    }
}
