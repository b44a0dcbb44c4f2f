//! Answers that were laid out beforehand.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Answer;

/// What a receiver answers instead of what it would answer.
#[derive(Debug, Default)]
pub(crate) struct Script(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    next: VecDeque<Answer>,
    always: Option<Answer>,
}

impl Script {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, answer: Answer) {
        self.lines().next.push_back(answer);
    }

    pub(crate) fn always(&self, answer: Option<Answer>) {
        self.lines().always = answer;
    }

    /// What the next request gets, if it is due before the body.
    pub(crate) fn early(&self) -> Option<Answer> {
        let mut lines = self.lines();
        let due = lines.next.front().or(lines.always.as_ref()).is_some_and(Answer::cuts_request);
        if !due {
            return None;
        }
        lines.next.pop_front().or_else(|| lines.always.clone())
    }

    /// What the next request gets.
    fn next(&self) -> Option<Answer> {
        let mut lines = self.lines();
        lines.next.pop_front().or_else(|| lines.always.clone())
    }

    /// What a service answers that would answer `usual()`: what is laid out, and before that, if the
    /// answer says so, it does what the request asks for. A refusal it then says all the same.
    pub(crate) fn or(&self, usual: impl FnOnce() -> Answer) -> Answer {
        match self.next() {
            None => usual(),
            Some(planned) if planned.applied => Some(usual()).filter(Answer::refuses).unwrap_or(planned),
            Some(planned) => planned,
        }
    }
}
