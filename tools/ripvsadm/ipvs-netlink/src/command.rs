// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The commands of the family (`enum` `IPVS_CMD_*`).

use std::fmt;

use crate::decode::DecodeError;
use crate::uapi::command;

/// A command of the family, with its number in the generic-netlink header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Command {
    /// Adds a service; also the answer to [`Command::GetService`].
    NewService = command::NEW_SERVICE,
    /// Changes a service.
    SetService = command::SET_SERVICE,
    /// Removes a service and its destinations.
    DelService = command::DEL_SERVICE,
    /// Asks for one service, or for all of them (dump).
    GetService = command::GET_SERVICE,
    /// Adds a destination to a service; also the answer to [`Command::GetDestination`].
    NewDestination = command::NEW_DEST,
    /// Changes a destination.
    SetDestination = command::SET_DEST,
    /// Removes a destination.
    DelDestination = command::DEL_DEST,
    /// Asks for the destinations of a service (dump).
    GetDestination = command::GET_DEST,
    /// Starts a synchronisation daemon; also the answer to [`Command::GetDaemon`].
    NewDaemon = command::NEW_DAEMON,
    /// Stops a synchronisation daemon.
    DelDaemon = command::DEL_DAEMON,
    /// Asks for the synchronisation daemons (dump).
    GetDaemon = command::GET_DAEMON,
    /// Sets the protocol timeouts; also the answer to [`Command::GetConfig`].
    SetConfig = command::SET_CONFIG,
    /// Asks for the protocol timeouts.
    GetConfig = command::GET_CONFIG,
    /// The answer to [`Command::GetInfo`]; never a request.
    SetInfo = command::SET_INFO,
    /// Asks for the version and the size of the connection table.
    GetInfo = command::GET_INFO,
    /// Zeroes the counters of one service or of all.
    Zero = command::ZERO,
    /// Removes all services.
    Flush = command::FLUSH,
}

impl Command {
    /// Every command, in the order of their numbers.
    pub const ALL: [Command; 17] = [
        Command::NewService,
        Command::SetService,
        Command::DelService,
        Command::GetService,
        Command::NewDestination,
        Command::SetDestination,
        Command::DelDestination,
        Command::GetDestination,
        Command::NewDaemon,
        Command::DelDaemon,
        Command::GetDaemon,
        Command::SetConfig,
        Command::GetConfig,
        Command::SetInfo,
        Command::GetInfo,
        Command::Zero,
        Command::Flush,
    ];

    /// Returns what the command does, as a phrase that follows "cannot".
    pub fn describe(self) -> &'static str {
        match self {
            Command::NewService => "add the service",
            Command::SetService => "edit the service",
            Command::DelService => "delete the service",
            Command::GetService => "list the services",
            Command::NewDestination => "add the real server",
            Command::SetDestination => "edit the real server",
            Command::DelDestination => "delete the real server",
            Command::GetDestination => "list the real servers",
            Command::NewDaemon => "start the synchronisation daemon",
            Command::DelDaemon => "stop the synchronisation daemon",
            Command::GetDaemon => "list the synchronisation daemons",
            Command::SetConfig => "set the timeouts",
            Command::GetConfig => "read the timeouts",
            Command::SetInfo => "report the version",
            Command::GetInfo => "read the version",
            Command::Zero => "zero the counters",
            Command::Flush => "clear the table",
        }
    }
}

impl From<Command> for u8 {
    fn from(command: Command) -> u8 {
        command as u8
    }
}

impl TryFrom<u8> for Command {
    type Error = DecodeError;

    fn try_from(number: u8) -> Result<Self, DecodeError> {
        Command::ALL
            .into_iter()
            .find(|command| *command as u8 == number)
            .ok_or(DecodeError::new("a command", "is unknown"))
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_abi() {
        for (index, command) in Command::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(u8::from(command)), index + 1);
            assert_eq!(Command::try_from(u8::from(command)).unwrap(), command);
        }
        assert!(Command::try_from(0).is_err());
        assert!(Command::try_from(18).is_err());
    }
}
