//! GitHub's REST API, as much of it as a run needs: paging, retries, rate limits, and failures as one clear line.

use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

/// Entries of a page.
const PAGE: usize = 100;
/// More pages than this are a mistake of somebody's.
const MOST_PAGES: usize = 1_000;
const TRIES: u32 = 5;
/// The longest wait for a limit to be lifted.
const LONGEST_WAIT: Duration = Duration::from_mins(15);

/// Why GitHub did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// No token.
    #[error("no token: set GH_TOKEN or GITHUB_TOKEN, or sign in with `gh auth login`")]
    NoToken,
    /// A variable of the environment makes no sense.
    #[error("{0}")]
    Variable(String),
    /// The token may not.
    #[error("GitHub refuses {what} ({status}): {message}; use a token with {needs}")]
    Denied {
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// GitHub's words.
        message: String,
        /// The permission.
        needs: String,
    },
    /// Not there, or not to be seen with this token.
    #[error("GitHub knows no {what} (404): check the name, and that the token may read it")]
    NotFound {
        /// What was asked.
        what: String,
    },
    /// Expired.
    #[error("{what} has expired (410): run the workflow again, and collect sooner")]
    Gone {
        /// What was asked.
        what: String,
    },
    /// The limit is reached, and is not lifted soon.
    #[error("GitHub's rate limit is reached: wait {wait_s} s, then ask for {what} again")]
    Limited {
        /// What was asked.
        what: String,
        /// Seconds until then.
        wait_s: u64,
    },
    /// Anything else.
    #[error("GitHub: {what}: {message}; check https://www.githubstatus.com, then try again")]
    Other {
        /// What was asked.
        what: String,
        /// What went wrong.
        message: String,
    },
}

type Result<T, E = RestError> = std::result::Result<T, E>;

impl RestError {
    /// An answer that is not as it should be.
    pub(crate) fn other(what: &str, message: impl std::fmt::Display) -> Self {
        Self::Other { what: what.to_owned(), message: message.to_string() }
    }
}

/// A connection to the API with a token.
#[derive(Debug)]
pub struct Api {
    agent: Agent,
    base: String,
    token: String,
    /// What one second of waiting is: tests wait less.
    second: Duration,
}

/// A variable of the environment that is not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
}

/// The token of the environment.
fn token() -> Option<String> {
    variable("GH_TOKEN").or_else(|| variable("GITHUB_TOKEN"))
}

/// The API's address: the environment's, or GitHub's own.
fn base() -> String {
    let base = variable("HANDOFF_API_URL").or_else(|| variable("GITHUB_API_URL"));
    base.unwrap_or_else(|| "https://api.github.com".to_owned())
}

impl Api {
    /// The API for a user: with the token of the environment, else that of `gh`.
    ///
    /// # Errors
    /// No token, or a `HANDOFF_API_SECOND_MS` that is no number.
    pub fn of_user() -> Result<Self> {
        let from_gh = || duct::cmd!("gh", "auth", "token").stderr_null().read().ok();
        let token = token().or_else(from_gh).filter(|t| !t.is_empty()).ok_or(RestError::NoToken)?;
        let api = Self::new(&base(), &token);
        // Tests look more often.
        let Ok(text) = std::env::var("HANDOFF_API_SECOND_MS") else { return Ok(api) };
        let ms = text.parse().map_err(|e| RestError::Variable(format!("HANDOFF_API_SECOND_MS: {e}")))?;
        Ok(Self { second: Duration::from_millis(ms), ..api })
    }

    /// The API for a job of a workflow, if the job is given a token.
    pub fn of_job() -> Option<Self> {
        token().map(|token| Self::new(&base(), &token))
    }

    /// An API at an address.
    fn new(base: &str, token: &str) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_mins(10)));
        let agent = config.timeout_connect(Some(Duration::from_secs(20))).build().into();
        let (base, token) = (base.trim_end_matches('/').to_owned(), token.to_owned());
        Self { agent, base, token, second: Duration::from_secs(1) }
    }

    /// Sleeps for some of its seconds.
    pub fn sleep(&self, seconds: u64) {
        std::thread::sleep(self.second.saturating_mul(u32::try_from(seconds).unwrap_or(u32::MAX)));
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

    /// Calls until there is an answer that is final.
    fn answer(
        &self,
        what: &str,
        needs: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Body>> {
        let mut tried = 0;
        loop {
            tried += 1;
            let mut response = match self.call(method, path, body) {
                Ok(response) => response,
                // A call that starts something is not repeated: nobody knows whether it was heard.
                Err(_) if tried < TRIES && method != "POST" => {
                    self.sleep(1 << tried);
                    continue;
                }
                Err(error) => return Err(RestError::other(what, error)),
            };
            let status = response.status().as_u16();
            if (200..300).contains(&status) {
                return Ok(response);
            }
            let headers = response.headers().clone();
            // Words of a failure that is reported by its status anyway.
            let text = response.body_mut().read_to_string().unwrap_or_default();
            let message = message(&text);
            if let Some(wait) = limit(status, &headers, &message) {
                if wait > LONGEST_WAIT || tried >= TRIES {
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
                500.. if tried < TRIES && method != "POST" => self.sleep(1 << tried),
                _ => return Err(RestError::other(what, format!("status {status}: {message}"))),
            }
        }
    }

    /// GET of JSON.
    pub fn get(&self, what: &str, needs: &str, path: &str) -> Result<Value> {
        let text = self.answer(what, needs, "GET", path, None)?.body_mut().read_to_string();
        serde_json::from_str(&text.map_err(|e| RestError::other(what, e))?).map_err(|e| RestError::other(what, e))
    }

    /// Every entry of a list, page by page; `key` names it in the answer.
    pub fn list(&self, what: &str, needs: &str, path: &str, key: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let joint = if path.contains('?') { '&' } else { '?' };
        for page in 1..=MOST_PAGES {
            let answer = self.get(what, needs, &format!("{path}{joint}per_page={PAGE}&page={page}"))?;
            let entries = entries(&answer, key, what)?;
            let last = entries.len() < PAGE;
            all.extend(entries);
            if last {
                break;
            }
        }
        Ok(all)
    }

    /// POST of JSON, and the JSON of the answer where it has some.
    pub fn post(&self, what: &str, needs: &str, path: &str, body: &Value) -> Result<Option<Value>> {
        // It was heard, whatever the answer says: a caller that needs more asks again.
        let text = self.answer(what, needs, "POST", path, Some(body))?.body_mut().read_to_string().unwrap_or_default();
        Ok(serde_json::from_str(&text).ok())
    }

    /// DELETE; what is gone already is well.
    pub fn delete(&self, what: &str, needs: &str, path: &str) -> Result<()> {
        match self.answer(what, needs, "DELETE", path, None) {
            Ok(_) | Err(RestError::NotFound { .. } | RestError::Gone { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The bytes behind an address; the token stays with the first host.
    pub fn download(&self, what: &str, needs: &str, path: &str) -> Result<Vec<u8>> {
        let mut response = self.answer(what, needs, "GET", path, None)?;
        let mut bytes = Vec::new();
        let read = response.body_mut().as_reader().read_to_end(&mut bytes);
        read.map_err(|e| RestError::other(what, e))?;
        Ok(bytes)
    }
}

/// The list that an answer holds under a name. An answer without one is no empty list.
pub(crate) fn entries(answer: &Value, key: &str, what: &str) -> Result<Vec<Value>> {
    let list = answer.get(key).and_then(Value::as_array).cloned();
    list.ok_or_else(|| RestError::other(what, format!("the answer has no list `{key}`")))
}

/// GitHub's own words of a failure.
fn message(text: &str) -> String {
    let json: Option<Value> = serde_json::from_str(text).ok();
    let told = json.as_ref().and_then(|j| j.get("message")).and_then(Value::as_str);
    told.map_or_else(|| text.chars().take(120).collect(), str::to_owned).replace('\n', " ")
}

/// How long to wait, where the answer is that of a rate limit.
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
    // A secondary limit without a time: GitHub asks for a minute.
    (status == 429 || message.contains("rate limit")).then_some(Duration::from_mins(1))
}
