use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

/// Forms in which an address that is not public is written in a web address.
const REFUSED: &[&str] = &[
    // Loopback, in every way that a browser understands it.
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.255.255.254/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://0177.0x0.0.1/",
    "http://127.0.0.1./",
    "http://①②⑦.⓪.⓪.①/",
    "http://１２７.0.0.1/",
    "http://%31%32%37.0.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    // IPv4 carried by IPv6.
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b:1::1]/",
    "http://[2002:7f00:1::1]/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    // Private and shared networks.
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://3232235521/",
    "http://100.64.0.1/",
    "http://100.127.255.255/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[fec0::1]/",
    // Link-local, and the metadata of clouds.
    "http://169.254.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.170.2/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://[fe80::1]/",
    // Assigned to no host.
    "http://192.0.0.8/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://198.19.255.255/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://239.255.255.255/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[100::1]/",
    "http://[2001:db8::1]/",
    "http://[2001:2::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[ff02::1]/",
    // What is no plain address of the web.
    "http://user:secret@93.184.215.14/",
    "http://user@example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
];

#[test]
fn every_form_of_an_address_that_is_not_public_is_refused() {
    let guard = Guard::new(&[]);
    let passed: Vec<_> = REFUSED
        .iter()
        .filter(|text| Url::parse(text).is_ok_and(|url| guard.check_url(&url).is_ok()))
        .collect();
    assert_eq!(passed, Vec::<&&str>::new(), "{} of {} refused", REFUSED.len() - passed.len(), REFUSED.len());
}

#[test]
fn public_addresses_pass() {
    let guard = Guard::new(&[]);
    for text in [
        "https://93.184.215.14/",
        "https://8.8.8.8:8443/x",
        "https://172.15.255.255/",
        "https://172.32.0.1/",
        "https://100.63.255.255/",
        "https://100.128.0.1/",
        "https://[2606:4700:4700::1111]/",
        "https://[64:ff9b::8.8.8.8]/",
        "https://[2001:4860:4860::8888]/",
        "https://example.com/",
    ] {
        assert_eq!(guard.check_url(&Url::parse(text).unwrap()), Ok(()), "{text}");
    }
}

#[test]
fn an_allowed_network_opens_and_metadata_stays_shut() {
    let everything = ["0.0.0.0/0", "::/0"].map(|net| net.parse().unwrap());
    let guard = Guard::new(&everything);
    for open in ["10.1.2.3", "127.0.0.1", "::1", "fd12::1", "::ffff:10.0.0.1"] {
        assert_eq!(guard.check(open.parse().unwrap()), Ok(()), "{open}");
    }
    for shut in [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "2001:0:4136:e378:8000:63bf:5601:5601",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
    ] {
        let shut = shut.parse().unwrap();
        assert_eq!(guard.check(shut), Err(Blocked::Metadata(shut)));
    }
    let ten = Guard::new(&["10.0.0.0/8".parse().unwrap()]);
    assert!(
        ten.check("10.9.9.9".parse().unwrap()).is_ok() && ten.check("192.168.0.1".parse().unwrap()).is_err()
    );
}

proptest! {
    #[test]
    fn what_carries_a_private_address_is_never_public(last in any::<[u8; 3]>(), form in 0..6) {
        let [b, c, d] = last;
        let inner = Ipv4Addr::new(10, b, c, d);
        let [high, low] = [u16::from_be_bytes([10, b]), u16::from_be_bytes([c, d])];
        let address: IpAddr = match form {
            0 => inner.into(),
            1 => inner.to_ipv6_mapped().into(),
            2 => Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low).into(),
            3 => Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low).into(),
            4 => Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into(),
            _ => Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1).into(),
        };
        prop_assert_eq!(Guard::new(&[]).check(address), Err(Blocked::Address(address)));
    }
}

fn client_for(guard: &Guard, base: &Client, url: &str) -> Result<Client, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let context = Context { kind: "http", at: "x" };
    runtime.block_on(guard.client(base, &Url::parse(url).unwrap(), context))
}

#[test]
fn a_name_is_judged_by_every_address_that_it_has() {
    let base = Client::for_webhooks(Default::default(), None, true).unwrap();
    let error = client_for(&Guard::new(&[]), &base, "http://localhost:1/").unwrap_err();
    assert_eq!(error.code(), "http.blocked");
    assert!(error.hint().is_some());
    let open = Guard::new(&["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
    assert!(client_for(&open, &base, "http://localhost:1/").is_ok());
    let error = client_for(&open, &base, "http://name.invalid/").unwrap_err();
    assert_eq!(error.code(), "http.lookup");
}

/// A name server that gives one answer after the other, and the last one again and again.
#[derive(Default)]
pub(crate) struct Names(Mutex<VecDeque<Vec<IpAddr>>>);

impl Names {
    pub(crate) fn answering(answers: &[&[&str]]) -> Arc<Self> {
        let one = |addresses: &&[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(one).collect())))
    }
}

#[async_trait::async_trait]
impl LookUp for Names {
    async fn look_up(&self, _host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Ok(answer.unwrap_or_default().into_iter().map(|address| (address, port).into()).collect())
    }
}

#[test]
fn a_name_that_leads_to_any_of_these_addresses_is_refused_in_every_form() {
    let base = Client::for_webhooks(Default::default(), None, true).unwrap();
    let hosts = REFUSED.iter().filter_map(|text| Url::parse(text).ok());
    let addresses: Vec<IpAddr> = hosts
        .filter_map(|url| match url.host()? {
            Host::Ipv4(address) => Some(IpAddr::from(address)),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        })
        .filter(|address| address.to_string() != "93.184.215.14")
        .collect();
    assert!(addresses.len() > 55, "{}", addresses.len());
    for address in addresses {
        // Alone, and beside one that is public.
        for answer in [vec![address], vec!["93.184.215.14".parse().unwrap(), address]] {
            let names = Arc::new(Names(Mutex::new([answer].into())));
            let error = client_for(&Guard::new(&[]).asking(names), &base, "http://name.test/").unwrap_err();
            assert_eq!(error.code(), "http.blocked", "{address}");
        }
    }
}
