//! Faults of what speaks HTTP: something stands in front of the receiver.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nethical_core::event::Timestamp;
use nethical_receivers::http::{Answer, Front, OverTls};

use super::cell::{Heal, SetUp};
use super::{Fault, at_own_address, authority};
use crate::Peer;

/// Seconds of an attempt, where the fault is that it takes too long, and where not.
fn patience(stand: &str, fault: Fault) -> f64 {
    match fault {
        // A real server may take a second under load.
        Fault::Silence | Fault::SlowDrip if stand == "mlflow" => 5.0,
        Fault::Silence | Fault::SlowDrip => 2.0,
        _ => 30.0,
    }
}

pub(super) fn set_up(stand: &str, peer: Box<dyn Peer>, fault: Fault) -> Result<SetUp, &'static str> {
    let behind = peer.behind().ok_or("it does not speak HTTP")?;
    let before = Before::stand(stand, behind.address(), fault);
    let config = behind.through(&before.origin, patience(stand, fault));
    Ok(SetUp { config, heal: Mutex::new(Some(before.heal)), standing: before.standing, peer })
}

/// What stands before a receiver.
pub(super) struct Before {
    /// `http://host:port`.
    pub(super) origin: String,
    /// Ends the fault.
    pub(super) heal: Heal,
    /// Goes on to the end.
    pub(super) standing: Box<dyn Any>,
}

impl Before {
    pub(super) fn stand(stand: &str, behind: SocketAddr, fault: Fault) -> Self {
        match fault {
            Fault::NoSuchName => Self {
                origin: "http://faults.invalid".to_owned(),
                heal: Box::new(|| {}),
                standing: Box::new(()),
            },
            Fault::ExpiredCertificate => Self::over_tls(behind),
            Fault::Refused => Self::closed(behind),
            fault => Self::answering(behind, answer(stand, fault)),
        }
    }

    fn over_tls(behind: SocketAddr) -> Self {
        let expired = authority().expired(&["localhost"]).unwrap();
        let front = Arc::new(OverTls::start(&expired, behind).unwrap());
        let origin = format!("https://localhost:{}", front.address().port());
        let standing = Box::new(Arc::clone(&front));
        let valid = authority().identity(&["localhost"]).unwrap();
        Self { origin, heal: Box::new(move || front.show(&valid).unwrap()), standing }
    }

    fn closed(behind: SocketAddr) -> Self {
        let front = at_own_address(|address| Front::at(address, behind));
        let origin = format!("http://{}", front.address());
        let opened = Arc::<Mutex<Option<Front>>>::default();
        let (standing, again) = (Box::new(Arc::clone(&opened)), front.stop());
        Self { origin, heal: Box::new(move || *opened.lock().unwrap() = Some(again().unwrap())), standing }
    }

    fn answering(behind: SocketAddr, answer: Option<Answer>) -> Self {
        let front = Front::of(behind).unwrap();
        front.always(answer);
        let origin = format!("http://{}", front.address());
        let standing = Box::new(front.clone());
        Self { origin, heal: Box::new(move || front.always(None)), standing }
    }
}

/// What is answered instead, if it is an answer that is at fault.
pub(super) fn answer(stand: &str, fault: Fault) -> Option<Answer> {
    // For a plain web address every 2xx is a success, whatever it says.
    let any_success = matches!(stand, "api" | "http");
    Some(match fault {
        Fault::ResetInRequest => Answer::reset_in_request(),
        Fault::ResetInAnswer => Answer::new(200).body(vec![b' '; 100]).reset_after(10).applied(),
        Fault::Silence => Answer::silence(),
        Fault::SlowDrip => {
            Answer::new(200).body(vec![b' '; 4_096]).drip(1, Duration::from_millis(100)).applied()
        }
        Fault::RateLimitedFor => Answer::new(429).header("retry-after", "1"),
        Fault::RateLimited => Answer::new(429),
        Fault::Broken => Answer::new(500),
        Fault::UnavailableUntil => {
            let until = Timestamp::now() + Duration::from_secs(2);
            let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&until);
            Answer::new(503).header("retry-after", date.unwrap())
        }
        Fault::Redirect => Answer::redirect("http://127.0.0.1:9/"),
        Fault::Gone => Answer::new(410),
        Fault::Unauthorized => Answer::new(401),
        Fault::HugeBody => Answer::new(200).body("ok").huge(64 << 20).applied(),
        Fault::GarbageBody => {
            let page = Answer::new(200).header("content-type", "text/html");
            let page = page.body(b"<html>\xff\0 Please log in".as_slice());
            if any_success { page.applied() } else { page }
        }
        Fault::AnswerDropped => Answer::dropped(),
        Fault::Refused
        | Fault::NoSuchName
        | Fault::ExpiredCertificate
        | Fault::ClockJump
        | Fault::DiskFull => return None,
    })
}
