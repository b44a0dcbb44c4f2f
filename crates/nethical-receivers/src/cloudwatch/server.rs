//! The operations, over HTTP.

use std::sync::{Mutex, PoisonError};

use super::api;
use super::state::State;
use crate::aws;
use crate::http::{Answer, Handler, Request};

impl Handler for Mutex<State> {
    fn answer(&self, request: Request) -> Answer {
        let mut state = self.lock().unwrap_or_else(PoisonError::into_inner);
        match api::answer(&mut state, &request) {
            Some(answer) => aws::answer(answer, "application/x-amz-json-1.1", &state.behaviour.access),
            None => Answer::close(),
        }
    }
}
