//! Head of a request.

use super::Query;
use super::percent;

/// Largest head in bytes, more than any client sends.
pub(crate) const MAX_HEAD: usize = 32 << 10;
const MAX_HEADERS: usize = 64;

/// Request line and headers.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// Decoded path, always with a leading `/`.
    pub(crate) path: String,
    pub(crate) query: Query,
    /// The client keeps the connection open.
    pub(crate) keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
    pub(crate) body: BodyLength,
    headers: Vec<(String, String)>,
}

/// Length of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// No `Content-Length`.
    None,
    /// `Content-Length` in bytes.
    Known(u64),
    /// `Transfer-Encoding`, which is refused as by Azure.
    Chunked,
}

/// Malformed head; the connection ends after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadHead(pub(crate) &'static str);

impl Head {
    /// Parses the head at the beginning of `bytes`; returns it with its length, or `Ok(None)` while it is incomplete.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, BadHead> {
        let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut slots);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
            Ok(httparse::Status::Partial) => return Err(BadHead("the head is too long")),
            Err(_) => return Err(BadHead("not an HTTP/1.1 request")),
        };
        let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
            return Err(BadHead("not an HTTP/1.1 request"));
        };
        let mut headers = Vec::with_capacity(request.headers.len());
        for header in request.headers.iter() {
            let value = std::str::from_utf8(header.value).map_err(|_| BadHead("a header is not UTF-8"))?;
            headers.push((header.name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let (path, query) = split_target(target)?;
        let has = |name: &str, word: &str| {
            headers
                .iter()
                .any(|(key, value)| key == name && value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
        };
        let keep_alive = if version == 0 { has("connection", "keep-alive") } else { !has("connection", "close") };
        let expects_continue = has("expect", "100-continue");
        let body = body_length(&headers)?;
        let method = method.to_owned();
        Ok(Some((Self { method, path, query, keep_alive, expects_continue, body, headers }, length)))
    }

    /// Value of the first header with this lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

// A client of a proxy sends the whole URL. Any host name in it means this service.
fn split_target(target: &str) -> Result<(String, Query), BadHead> {
    let local = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    let (path, query) = local.split_once('?').unwrap_or((local, ""));
    if !path.starts_with('/') {
        return Err(BadHead("the path does not begin with a slash"));
    }
    let path = percent::decode(path).ok_or(BadHead("the path is not percent-encoded UTF-8"))?;
    let query = Query::parse(query).ok_or(BadHead("the query is not percent-encoded UTF-8"))?;
    Ok((path, query))
}

// A request with an ambiguous length is refused.
fn body_length(headers: &[(String, String)]) -> Result<BodyLength, BadHead> {
    let all = |name: &'static str| headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str());
    let mut lengths = all("content-length");
    let Some(first) = lengths.next() else {
        let chunked = all("transfer-encoding").next().is_some();
        return Ok(if chunked { BodyLength::Chunked } else { BodyLength::None });
    };
    if all("transfer-encoding").next().is_some() || lengths.any(|other| other != first) {
        return Err(BadHead("the length of the body is ambiguous"));
    }
    if first.is_empty() || !first.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadHead("content-length is not a number"));
    }
    first.parse().map(BodyLength::Known).map_err(|_| BadHead("content-length is too large"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Option<(Head, usize)>, BadHead> {
        Head::parse(text.as_bytes())
    }

    #[test]
    fn incomplete_head_is_not_parsed() {
        let text = "PUT /a%20b/c?x=1&y HTTP/1.1\r\nHost: h\r\nX-Ms-Range: bytes=0-1 \r\nContent-Length: 5\r\n\r\n";
        for end in 0..text.len() {
            assert!(parse(&text[..end]).unwrap().is_none(), "{end}");
        }
        let (head, length) = parse(&format!("{text}hello")).unwrap().unwrap();
        assert_eq!((head.method.as_str(), head.path.as_str(), length), ("PUT", "/a b/c", text.len()));
        assert_eq!((head.header("x-ms-range"), head.body), (Some("bytes=0-1"), BodyLength::Known(5)));
        assert!(head.keep_alive && !head.expects_continue && head.query.has("y"));
    }

    #[test]
    fn absolute_url_in_the_request_line_is_accepted() {
        let (head, _) = parse("GET http://a.blob.core.windows.net:1/b/c?d=e HTTP/1.1\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.path.as_str(), head.query.get("d")), ("/b/c", Some("e")));
    }

    #[test]
    fn connection_and_expect_headers_are_parsed() {
        let (head, _) =
            parse("GET / HTTP/1.1\r\nConnection: x, Close\r\nExpect: 100-Continue\r\n\r\n").unwrap().unwrap();
        assert!(!head.keep_alive && head.expects_continue);
        assert!(!parse("GET / HTTP/1.0\r\n\r\n").unwrap().unwrap().0.keep_alive);
    }

    #[test]
    fn ambiguous_or_malformed_head_is_refused() {
        for headers in [
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 99999999999999999999999\r\n",
        ] {
            assert!(parse(&format!("PUT / HTTP/1.1\r\n{headers}\r\n")).is_err(), "{headers}");
        }
        for line in ["GET a HTTP/1.1", "GET /%zz HTTP/1.1", "GET /?%f HTTP/1.1", "nonsense\x00"] {
            assert!(parse(&format!("{line}\r\n\r\n")).is_err(), "{line}");
        }
        assert!(Head::parse(&vec![b'A'; MAX_HEAD]).is_err());
        assert_eq!(
            parse("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap().unwrap().0.body,
            BodyLength::Chunked
        );
    }

    proptest! {
        #[test]
        fn parsing_any_bytes_never_panics(bytes: Vec<u8>) {
            let _ = Head::parse(&bytes);
        }
    }
}
