use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use super::*;

/// A server that does this with its first connection. Returns its address.
fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || serve(listener.accept().unwrap().0));
    url
}

/// Read a request and answer it with these bytes.
fn answer(bytes: &'static [u8]) -> String {
    server(move |mut stream| {
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer).unwrap();
        let _ = stream.write_all(bytes);
    })
}

fn send(url: String) -> Result<Response, Failure> {
    let [connect, first_byte, total] = [200, 200, 400].map(Duration::from_millis);
    let client = Client::new(Deadlines { connect, first_byte, total }).unwrap();
    let request = Request { method: "POST", url, headers: Vec::new(), body: Bytes::from_static(b"{}") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(client.send(request))
}

#[test]
fn an_answer_of_any_status_is_an_answer() {
    let response =
        send(answer(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno")).unwrap();
    assert_eq!((response.status, &*response.body), (503, &b"no"[..]));
    assert_eq!(response.retry_after(Timestamp::now()), Some(Duration::from_secs(7)));
}

#[test]
fn a_redirect_is_not_followed() {
    let response =
        send(answer(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(response.unwrap().status, 302);
}

#[test]
fn a_pause_up_to_a_date_is_understood_and_bounded() {
    let after = |text: &str| {
        let headers = vec![("retry-after".to_owned(), text.to_owned())];
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        Response { headers, ..Response::default() }.retry_after(now).map(|after| after.as_secs())
    };
    assert_eq!(after("Sun, 01 Mar 2026 12:00:30 GMT"), Some(30));
    assert_eq!(after("Sun, 01 Mar 2026 11:00:00 GMT"), Some(0));
    assert_eq!(after("86400"), Some(3_600));
    assert_eq!(after("soon"), None);
    for malformed in ["", "-1", "1e3", "NaN", "inf", "1,5", "+5"] {
        assert_eq!(after(malformed), None, "{malformed}");
    }
    assert_eq!(after("0.65"), Some(0));
}

#[test]
fn an_endless_answer_is_read_only_so_far() {
    let url = server(|mut stream| {
        let _ = stream.read(&mut [0; 4096]).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
        while stream.write_all(&[b'x'; 65_536]).is_ok() {}
    });
    assert_eq!(send(url).unwrap().body.len(), MAX_ANSWER);
}

#[test]
fn silence_and_dropped_answers_are_in_doubt() {
    let started = Instant::now();
    let silent = server(|stream| {
        std::thread::sleep(Duration::from_secs(5));
        drop(stream);
    });
    let failure = send(silent).unwrap_err();
    assert!(failure.is_in_doubt() && failure.phase() == Phase::Head, "{failure:?}");
    assert!(started.elapsed() < Duration::from_secs(4));
    let failure = send(answer(b"")).unwrap_err();
    assert!(failure.is_in_doubt(), "{failure:?}");
    let failure = send(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")).unwrap_err();
    assert!(failure.is_in_doubt() && failure.phase() == Phase::Body, "{failure:?}");
}

#[test]
fn what_was_never_sent_is_not_in_doubt() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let failure = send(format!("http://127.0.0.1:{port}/")).unwrap_err();
    assert_eq!((failure.phase(), failure.is_in_doubt()), (Phase::Connect, false), "{failure}");
    let failure = send("http://name.invalid/".to_owned()).unwrap_err();
    assert!(
        matches!(failure.phase(), Phase::Lookup | Phase::Connect) && !failure.is_in_doubt(),
        "{failure:?}"
    );
    let failure = send(answer(b"HTTP/1.1 200 OK\r\n\r\n").replace("http:", "https:")).unwrap_err();
    assert!(!failure.is_in_doubt(), "{failure:?}");
    assert_eq!(send("not a url".to_owned()).unwrap_err().phase(), Phase::Request);
}

#[test]
fn the_bundled_roots_make_a_client() {
    assert!(bundled_roots(builder(&How::default())).build().is_ok());
}

proptest::proptest! {
    #[test]
    fn any_pause_is_none_or_bounded(
        text in "\\PC{0,30}|[0-9.+-]{0,40}|[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} -?[0-9]{1,6} [0-9:]{0,8} (GMT|[+-][0-9]{4})",
        now in -377_705_023_201_i64..253_402_207_200,
    ) {
        let headers = vec![("retry-after".to_owned(), text.clone()), ("date".to_owned(), text)];
        let response = Response { headers, ..Response::default() };
        let after = response.retry_after(Timestamp::from_second(now).unwrap());
        proptest::prop_assert!(after.unwrap_or_default() <= Duration::from_secs(3_600));
        let _ = response.date();
    }
}
