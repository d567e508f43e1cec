// SPDX-License-Identifier: GPL-2.0

//! Choices that determine an execution: exhaustive or random.

/// Choice that was made.
#[derive(Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) taken: u32,
    pub(crate) options: u32,
}

/// Strategies of choice.
pub(crate) enum Strategy {
    /// The recorded choices first, then the first option of each.
    Path,
    /// Random, from this state of the generator.
    Random(u64),
}

/// Choices of one execution.
pub(crate) struct Choices {
    strategy: Strategy,
    made: Vec<Choice>,
    position: usize,
}

impl Choices {
    pub(crate) fn first() -> Self {
        Self::replay(Vec::new())
    }

    pub(crate) fn replay(made: Vec<Choice>) -> Self {
        Self {
            strategy: Strategy::Path,
            made,
            position: 0,
        }
    }

    pub(crate) fn random(seed: u64) -> Self {
        Self {
            strategy: Strategy::Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            made: Vec::new(),
            position: 0,
        }
    }

    /// Returns the choices made so far.
    pub(crate) fn made(&self) -> &[Choice] {
        &self.made
    }

    /// Chooses one of `options`. A random choice is the first option with probability `weight`/16.
    pub(crate) fn choose(&mut self, options: usize, weight: u64) -> usize {
        if options < 2 {
            return 0;
        }
        let options = options as u32;
        let taken = match &mut self.strategy {
            Strategy::Path => match self.made.get(self.position) {
                Some(choice) => {
                    assert!(
                        choice.options == options,
                        "the model is not deterministic: {options} options in place of {}",
                        choice.options
                    );
                    self.position += 1;
                    return choice.taken as usize;
                }
                None => 0,
            },
            Strategy::Random(state) => {
                // Marsaglia's xorshift.
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                let draw = *state >> 16;
                if draw & 15 < weight {
                    0
                } else {
                    ((draw >> 4) % u64::from(options)) as u32
                }
            }
        };
        self.made.push(Choice { taken, options });
        self.position += 1;
        taken as usize
    }

    /// Returns the choices of the next execution in a depth-first search, `None` after the last.
    pub(crate) fn next(mut self) -> Option<Self> {
        while let Some(last) = self.made.last_mut() {
            if last.taken + 1 < last.options {
                last.taken += 1;
                self.position = 0;
                return Some(self);
            }
            self.made.pop();
        }
        None
    }
}
