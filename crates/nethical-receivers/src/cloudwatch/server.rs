//! The operations, over HTTP.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::api;
use super::state::State;
use crate::http::{Answer, Handler, Request};

impl Handler for Mutex<State> {
    fn answer(&self, request: Request) -> Answer {
        let (answer, ahead) = {
            let mut state = self.lock().unwrap_or_else(PoisonError::into_inner);
            let request = api::Request {
                target: request.header("x-amz-target"),
                authorization: request.header("authorization"),
                date: request.header("x-amz-date"),
                token: request.header("x-amz-security-token"),
                body: &request.body,
            };
            (api::answer(&mut state, &request), state.behaviour.clock_ahead)
        };
        let Some((status, text)) = answer else { return Answer::close() };
        let now = Timestamp::from_second(Timestamp::now().as_second() + ahead).unwrap_or_default();
        let date =
            jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
        Answer::new(status)
            .header("content-type", "application/x-amz-json-1.1")
            .header("date", date)
            .body(text)
    }
}
