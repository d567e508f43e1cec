// SPDX-License-Identifier: GPL-2.0

//! Views: for each location, the oldest message that may still be read.

/// Number of a message for each location; 0 if none is known.
#[derive(Clone, Default)]
pub(crate) struct View(Vec<u32>);

impl View {
    pub(crate) fn get(&self, location: usize) -> u32 {
        self.0.get(location).copied().unwrap_or(0)
    }

    /// Raises the number of a location.
    pub(crate) fn raise(&mut self, location: usize, number: u32) {
        if self.0.len() <= location {
            self.0.resize(location + 1, 0);
        }
        let mine = &mut self.0[location];
        *mine = number.max(*mine);
    }

    /// Raises all numbers to those of another view.
    pub(crate) fn join(&mut self, other: &View) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, others) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*others);
        }
    }
}
