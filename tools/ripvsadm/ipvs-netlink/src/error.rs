// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Everything that can go wrong between a request and its answer.

use std::{error, fmt, io};

use crate::command::Command;
use crate::decode::DecodeError;

/// Errors of requests.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The kernel does not have the family: for `IPVS`, no module that provides it is loaded; for
    /// `RIPVS`, it is not rust_ipvs.
    NoFamily,
    /// The kernel refused the request.
    Kernel(KernelError),
    /// The socket failed.
    Io(io::Error),
    /// The kernel's answer cannot be read.
    Decode(DecodeError),
    /// The kernel answered with what was not asked for, or not at all.
    Unexpected {
        /// The command that was sent.
        command: Command,
        /// Reason why the answer is wrong.
        reason: &'static str,
    },
    /// A name in the request is longer than the protocol has room for, or has a NUL in it.
    BadName {
        /// Owner of the name: a scheduler's, an interface's.
        what: &'static str,
        /// The name.
        name: String,
        /// The greatest length, in bytes.
        limit: usize,
    },
}

impl Error {
    /// The errno behind the error, where there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Kernel(kernel) => Some(kernel.errno),
            Error::Io(io) => io.raw_os_error(),
            Error::NoFamily => Some(libc::ENOENT),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoFamily => f.write_str("the kernel does not have the netlink family"),
            Error::Kernel(kernel) => kernel.fmt(f),
            Error::Io(io) => write!(f, "netlink socket: {io}"),
            Error::Decode(decode) => write!(f, "cannot read the kernel's answer: {decode}"),
            Error::Unexpected { command, reason } => write!(f, "cannot {command}: {reason}"),
            Error::BadName { what, name, limit } if name.contains('\0') => {
                write!(
                    f,
                    "{what} {name:?} of at most {limit} bytes must not have a NUL in it"
                )
            }
            Error::BadName { what, name, limit } => {
                write!(f, "{what} \"{name}\" is longer than {limit} bytes")
            }
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Error::Kernel(kernel) => Some(kernel),
            Error::Io(io) => Some(io),
            Error::Decode(decode) => Some(decode),
            _ => None,
        }
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Error::Decode(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(error)
    }
}

/// A refusal by the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelError {
    /// The command that was refused; `None` while the family was looked up, and if no single
    /// change of several is at fault.
    pub command: Option<Command>,
    /// The errno, positive.
    pub errno: i32,
    /// The kernel's own words (extack), where it had any.
    pub message: Option<String>,
    /// Offset in the request of the attribute that the kernel objects to, in bytes.
    pub offset: Option<u32>,
}

impl KernelError {
    /// Returns what the errno says by itself, without a number behind it.
    pub fn errno_text(&self) -> String {
        let text = io::Error::from_raw_os_error(self.errno).to_string();
        match text.rsplit_once(" (os error") {
            Some((words, _)) => words.to_owned(),
            None => text,
        }
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.command {
            Some(command) => write!(f, "cannot {command}: ")?,
            None => f.write_str("the kernel refuses: ")?,
        }
        match &self.message {
            Some(message) => write!(f, "{message} ({})", self.errno_text()),
            None => f.write_str(&self.errno_text()),
        }
    }
}

impl error::Error for KernelError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_in_words() {
        let mut refusal = KernelError {
            command: Some(Command::NewService),
            errno: libc::ENOENT,
            message: None,
            offset: None,
        };
        assert_eq!(
            refusal.to_string(),
            "cannot add the service: No such file or directory"
        );
        refusal.message = Some("unknown scheduler foo".into());
        assert_eq!(
            refusal.to_string(),
            "cannot add the service: unknown scheduler foo (No such file or directory)"
        );
        assert_eq!(Error::Kernel(refusal).errno(), Some(libc::ENOENT));
        assert_eq!(Error::NoFamily.errno(), Some(libc::ENOENT));
    }

    #[test]
    fn bytes_in_words() {
        let error = Error::from(DecodeError::new("IPVS_SVC_ATTR_AF", "is missing"));
        assert_eq!(
            error.to_string(),
            "cannot read the kernel's answer: IPVS_SVC_ATTR_AF is missing"
        );
    }

    #[test]
    fn names_in_words() {
        let bad = |name: &str| Error::BadName {
            what: "scheduler",
            name: name.into(),
            limit: 15,
        };
        let long = "abcdefghijklmnopqrst";
        assert_eq!(
            bad(long).to_string(),
            format!("scheduler \"{long}\" is longer than 15 bytes")
        );
        assert!(bad("a\0b").to_string().contains("NUL"));
    }
}
