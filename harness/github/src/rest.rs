//! Client of GitHub's REST API: paging, retries, rate limits, and one-line errors.

use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use crate::timeouts;

/// Entries of a page.
const PAGE: usize = 100;
/// Largest number of pages of a list.
const MAX_PAGES: usize = 1_000;
/// Number of attempts of a request.
const ATTEMPTS: u32 = 5;

/// Failure of GitHub's API.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// Missing token.
    #[error("no token: set GH_TOKEN or GITHUB_TOKEN, or sign in with `gh auth login`")]
    NoToken,
    /// Request that the token does not permit.
    #[error("GitHub refuses {what} ({status}): {message}; use a token with {needs}")]
    Denied {
        /// Request.
        what: String,
        /// HTTP status.
        status: u16,
        /// Message of GitHub.
        message: String,
        /// Missing permission.
        needs: String,
    },
    /// Object that does not exist, or that the token cannot read.
    #[error("GitHub knows no {what} (404): check the name, and that the token may read it")]
    NotFound {
        /// Request.
        what: String,
    },
    /// Object that has expired.
    #[error("{what} has expired (410): run the workflow again, and collect sooner")]
    Gone {
        /// Request.
        what: String,
    },
    /// Rate limit that does not end soon.
    #[error("GitHub's rate limit is reached: wait {wait_s} s, then ask for {what} again")]
    Limited {
        /// Request.
        what: String,
        /// Seconds until the limit ends.
        wait_s: u64,
    },
    /// Any other failure.
    #[error("GitHub: {what}: {message}; check https://www.githubstatus.com, then try again")]
    Other {
        /// Request.
        what: String,
        /// Reason.
        message: String,
    },
}

type Result<T, E = RestError> = std::result::Result<T, E>;

impl RestError {
    /// Failure of an unexpected kind.
    pub(crate) fn other(what: &str, message: impl std::fmt::Display) -> Self {
        Self::Other { what: what.to_owned(), message: message.to_string() }
    }
}

/// Client of the API with a token.
#[derive(Debug)]
pub struct Api {
    agent: Agent,
    base: String,
    token: String,
    /// Clock that waits.
    sleep: fn(Duration),
}

/// Variable of the environment; none if it is empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
}

/// Token in the environment.
fn token() -> Option<String> {
    variable("GH_TOKEN").or_else(|| variable("GITHUB_TOKEN"))
}

/// Address of the API: `GITHUB_API_URL`, which GitHub sets in jobs, or that of github.com.
fn base() -> String {
    variable("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned())
}

impl Api {
    /// Client for a user, with the token of the environment, or else of `gh`.
    ///
    /// # Errors
    /// There is no token.
    pub fn of_user() -> Result<Self> {
        let from_gh = || duct::cmd!("gh", "auth", "token").stderr_null().read().ok();
        let token = token().or_else(from_gh).filter(|t| !t.is_empty()).ok_or(RestError::NoToken)?;
        Ok(Self::new(&base(), &token))
    }

    /// Client for a job of a workflow; none without a token.
    pub fn of_job() -> Option<Self> {
        token().map(|token| Self::new(&base(), &token))
    }

    /// Client of the API at an address.
    fn new(base: &str, token: &str) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(timeouts::HTTP_CALL));
        let agent = config.timeout_connect(Some(timeouts::CONNECT)).build().into();
        let (base, token) = (base.trim_end_matches('/').to_owned(), token.to_owned());
        Self { agent, base, token, sleep: std::thread::sleep }
    }

    /// Waits for a number of seconds.
    pub fn sleep(&self, seconds: u64) {
        (self.sleep)(Duration::from_secs(seconds));
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Response<Body>, ureq::Error> {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}/{path}", self.base) };
        let request = ureq::http::Request::builder().method(method).uri(url);
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let request = request.header("accept", "application/vnd.github+json").header("user-agent", "handoff");
        let request = request.header("x-github-api-version", "2022-11-28");
        match body {
            Some(body) => self.agent.run(request.header("content-type", "application/json").body(body.to_string())?),
            None => self.agent.run(request.body(())?),
        }
    }

    /// Final answer of a request, after retries.
    fn answer(
        &self,
        what: &str,
        needs: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Body>> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut response = match self.call(method, path, body) {
                Ok(response) => response,
                // A POST is not repeated, because it may have had its effect.
                Err(_) if attempt < ATTEMPTS && method != "POST" => {
                    self.sleep(1 << attempt);
                    continue;
                }
                Err(error) => return Err(RestError::other(what, error)),
            };
            let status = response.status().as_u16();
            if (200..300).contains(&status) {
                return Ok(response);
            }
            let headers = response.headers().clone();
            let text = response.body_mut().read_to_string().unwrap_or_default();
            let message = message(&text);
            if let Some(wait) = limit(status, &headers, &message) {
                if wait > timeouts::RATE_LIMIT_WAIT || attempt >= ATTEMPTS {
                    return Err(RestError::Limited { what: what.to_owned(), wait_s: wait.as_secs() });
                }
                self.sleep(wait.as_secs().max(1));
                continue;
            }
            match status {
                401 | 403 => {
                    return Err(RestError::Denied { what: what.to_owned(), status, message, needs: needs.to_owned() });
                }
                404 => return Err(RestError::NotFound { what: what.to_owned() }),
                410 => return Err(RestError::Gone { what: what.to_owned() }),
                500.. if attempt < ATTEMPTS && method != "POST" => self.sleep(1 << attempt),
                _ => return Err(RestError::other(what, format!("status {status}: {message}"))),
            }
        }
    }

    /// JSON answer of a GET request; `needs` names the token's permission in an error.
    ///
    /// # Errors
    /// The request fails, or the answer is not JSON.
    pub fn get(&self, what: &str, needs: &str, path: &str) -> Result<Value> {
        let text = self.answer(what, needs, "GET", path, None)?.body_mut().read_to_string();
        serde_json::from_str(&text.map_err(|e| RestError::other(what, e))?).map_err(|e| RestError::other(what, e))
    }

    /// All entries of the list `key`, page by page.
    ///
    /// # Errors
    /// As for [`Api::get`], or an answer without the list.
    pub fn list(&self, what: &str, needs: &str, path: &str, key: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let separator = if path.contains('?') { '&' } else { '?' };
        for page in 1..=MAX_PAGES {
            let answer = self.get(what, needs, &format!("{path}{separator}per_page={PAGE}&page={page}"))?;
            let entries = entries(&answer, key, what)?;
            let last = entries.len() < PAGE;
            all.extend(entries);
            if last {
                break;
            }
        }
        Ok(all)
    }

    /// JSON answer of a POST request; none if the answer has no JSON.
    ///
    /// # Errors
    /// The request fails.
    pub fn post(&self, what: &str, needs: &str, path: &str, body: &Value) -> Result<Option<Value>> {
        // The request has succeeded, even if the answer cannot be read.
        let text = self.answer(what, needs, "POST", path, Some(body))?.body_mut().read_to_string().unwrap_or_default();
        Ok(serde_json::from_str(&text).ok())
    }

    /// Deletes an object, or succeeds if it does not exist.
    ///
    /// # Errors
    /// The request fails.
    pub fn delete(&self, what: &str, needs: &str, path: &str) -> Result<()> {
        match self.answer(what, needs, "DELETE", path, None) {
            Ok(_) | Err(RestError::NotFound { .. } | RestError::Gone { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Bytes of a download, which may redirect to another host; the token is sent to the first host only.
    ///
    /// # Errors
    /// The request fails, or the download breaks off.
    pub fn download(&self, what: &str, needs: &str, path: &str) -> Result<Vec<u8>> {
        let mut response = self.answer(what, needs, "GET", path, None)?;
        let mut bytes = Vec::new();
        let read = response.body_mut().as_reader().read_to_end(&mut bytes);
        read.map_err(|e| RestError::other(what, e))?;
        Ok(bytes)
    }
}

/// List `key` of an answer, which must exist.
pub(crate) fn entries(answer: &Value, key: &str, what: &str) -> Result<Vec<Value>> {
    let list = answer.get(key).and_then(Value::as_array).cloned();
    list.ok_or_else(|| RestError::other(what, format!("the answer has no list `{key}`")))
}

/// Message in the body of a failed request.
fn message(text: &str) -> String {
    let json: Option<Value> = serde_json::from_str(text).ok();
    let message = json.as_ref().and_then(|j| j.get("message")).and_then(Value::as_str);
    message.map_or_else(|| text.chars().take(120).collect(), str::to_owned).replace('\n', " ")
}

/// Wait until a rate limit ends; none if the answer is not about a rate limit.
fn limit(status: u16, headers: &HeaderMap, message: &str) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    if status != 429 && status != 403 {
        return None;
    }
    if let Some(seconds) = number("retry-after") {
        return Some(Duration::from_secs(seconds));
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        return Some(Duration::from_secs(number("x-ratelimit-reset").unwrap_or(now + 60).saturating_sub(now)));
    }
    (status == 429 || message.contains("rate limit")).then_some(timeouts::SECONDARY_RATE_LIMIT_WAIT)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;
    use std::io::Write as _;
    use std::net::TcpListener;

    use super::*;

    thread_local! {
        static WAITS_S: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    }

    /// Seconds that the clients of this thread have waited.
    pub fn waits_s() -> Vec<u64> {
        WAITS_S.with_borrow(Clone::clone)
    }

    /// Status, header lines and body of an answer; status 0 ends the connection without an answer.
    pub type Answer = (u16, String, &'static str);

    /// Client of a server with these answers, one a connection. Its waits take no time.
    pub fn api(answers: Vec<Answer>) -> Api {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for (status, headers, body) in answers {
                let mut connection = listener.accept().unwrap().0;
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    connection.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                let length = body.len();
                if status > 0 {
                    write!(
                        connection,
                        "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
                    )
                    .unwrap();
                }
            }
        });
        Api { sleep: |wait| WAITS_S.with_borrow_mut(|all| all.push(wait.as_secs())), ..Api::new(&base, "x") }
    }

    #[test]
    fn rate_limits_and_transient_faults_are_retried() {
        let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 30;
        let none_left = format!("x-ratelimit-remaining: 0\r\nx-ratelimit-reset: {soon}\r\n");
        let secondary = r#"{"message":"You have exceeded a secondary rate limit"}"#;
        let limits = api(vec![
            (429, "retry-after: 3\r\n".to_owned(), "{}"),
            (403, none_left, "{}"),
            (403, String::new(), secondary),
            (200, String::new(), r#"{"id":1}"#),
        ]);
        assert_eq!(limits.get("a run", "", "runs/1").unwrap()["id"], 1);
        let waits = waits_s();
        assert!(waits.len() == 3 && waits[0] == 3 && (25..=30).contains(&waits[1]) && waits[2] == 60, "{waits:?}");

        let empty = |status| (status, String::new(), "");
        let faults = api(vec![empty(502), empty(0), empty(503), (200, String::new(), "zip")]);
        assert_eq!(faults.download("an artifact", "", "artifacts/1/zip").unwrap(), b"zip");
        assert_eq!(waits_s()[3..], [2, 4, 8]);
    }

    #[test]
    fn server_that_stays_broken_is_given_up_after_five_attempts() {
        let oops = (500, String::new(), r#"{"message":"oops"}"#);
        let error = api(vec![oops.clone(); 5]).get("the run's jobs", "", "jobs").unwrap_err().to_string();
        assert!(error.starts_with("GitHub: the run's jobs: status 500: oops"), "{error}");
        assert_eq!(waits_s(), [2, 4, 8, 16]);
        // A start that nobody heard of is not repeated: it could run twice.
        api(vec![oops]).post("a start", "", "dispatches", &Value::Null).unwrap_err();
        assert_eq!(waits_s().len(), 4);
    }
}
