// SPDX-License-Identifier: GPL-2.0

//! [`NoChoice`]: the reason for which no destination of a service was chosen.

use super::super::reason::Reason;
use super::algorithm::Candidate;

/// Reason for which no destination was chosen, by those that were examined.
pub(crate) struct NoChoice(Reason);

impl NoChoice {
    /// Creates the reason for a service without destinations.
    pub(crate) fn new() -> Self {
        Self(Reason::NoServer)
    }

    /// Takes note of a destination. The one that is nearest to taking a connection counts.
    pub(crate) fn examine(&mut self, destination: &impl Candidate) {
        let own = if destination.weight() <= 0 {
            Reason::WeightZero
        } else if destination.offer() < 0 {
            Reason::Overloaded
        } else {
            Reason::NotChosen
        };
        // Their numbers are in this order.
        const _: () = assert!(
            (Reason::NoServer as u8) < Reason::WeightZero as u8
                && (Reason::WeightZero as u8) < Reason::Overloaded as u8
                && (Reason::Overloaded as u8) < Reason::NotChosen as u8
        );
        if own as u8 > self.0 as u8 {
            self.0 = own;
        }
    }

    /// Returns the reason.
    pub(crate) fn reason(self) -> Reason {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::config::{
            DestinationId,
            Ip, //
        },
        *,
    };

    /// Weight, and what the destination offers.
    struct Server(i32, i32);

    impl Candidate for Server {
        fn id(&self) -> &DestinationId {
            const ID: DestinationId = DestinationId {
                addr: Ip::V4([192, 0, 2, 1]),
                port: 80,
            };
            &ID
        }

        fn weight(&self) -> i32 {
            self.0
        }

        fn last_weight(&self) -> i32 {
            self.0
        }

        fn offer(&self) -> i32 {
            self.1
        }

        fn available(&self) -> bool {
            true
        }

        fn active(&self) -> i32 {
            0
        }

        fn total(&self) -> i32 {
            0
        }
    }

    #[test]
    fn the_destination_that_is_nearest_counts() {
        let reason = |servers: &[Server]| {
            let mut no_choice = NoChoice::new();
            servers.iter().for_each(|server| no_choice.examine(server));
            no_choice.reason()
        };
        let (quiesced, full, fit) = (|| Server(0, 0), || Server(1, -1), || Server(1, 1));
        assert_eq!(reason(&[]), Reason::NoServer);
        assert_eq!(reason(&[quiesced()]), Reason::WeightZero);
        assert_eq!(reason(&[Server(0, -1)]), Reason::WeightZero);
        assert_eq!(
            reason(&[quiesced(), full(), quiesced()]),
            Reason::Overloaded
        );
        assert_eq!(reason(&[full(), fit(), quiesced()]), Reason::NotChosen);
    }

    #[test]
    fn indexes_are_those_of_the_list() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
        }
    }
}
