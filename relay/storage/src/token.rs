//! Claims of the job's token. Only the service checks its signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::error::Error;

/// Ids under which the service stores a job's artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendIds {
    /// Id of the run.
    pub run: String,
    /// Id of the job.
    pub job: String,
}

#[derive(Deserialize)]
struct Claims {
    scp: Option<String>,
}

impl BackendIds {
    /// Parses both ids from the first scope `Actions.Results` in the claim `scp`.
    ///
    /// # Errors
    /// [`Error::BadToken`] when the token is no JWT, or the claim is missing or malformed.
    pub fn from_token(token: &str) -> Result<Self, Error> {
        let bad = Error::BadToken;
        let mut parts = token.split('.');
        let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(bad("it does not have the three parts of a JWT"));
        };
        let json = URL_SAFE_NO_PAD
            .decode(payload.trim_end_matches('='))
            .map_err(|_| bad("its second part is not base64url"))?;
        let claims: Claims = serde_json::from_slice(&json).map_err(|_| bad("its second part is not JSON"))?;
        let scopes = claims.scp.ok_or(bad("it has no claim scp"))?;
        let scope = scopes
            .split(' ')
            .find(|scope| scope.split(':').next() == Some("Actions.Results"))
            .ok_or(bad("its claim scp names no Actions.Results"))?;
        match scope.split(':').collect::<Vec<_>>()[..] {
            [_, run, job] if !run.is_empty() && !job.is_empty() => {
                Ok(Self { run: run.to_owned(), job: job.to_owned() })
            }
            _ => Err(bad("the scope Actions.Results does not name a run and a job")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(payload: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn ids_are_read_from_the_first_results_scope() {
        let ids = BackendIds::from_token(&token(
            r#"{"scp":"Actions.ExampleScope Actions.Results:r1:j1 Actions.Results:r2:j2"}"#,
        ));
        assert_eq!(ids.unwrap(), BackendIds { run: "r1".into(), job: "j1".into() });
    }

    #[test]
    fn each_defect_of_a_token_is_named() {
        for (bad, why) in [
            ("a.b".to_owned(), "three parts"),
            ("a.!.c".to_owned(), "base64url"),
            (token("nonsense"), "JSON"),
            (token("{}"), "no claim scp"),
            (token(r#"{"scp":"Actions.Other:r:j"}"#), "names no"),
            (token(r#"{"scp":"Actions.Results:r"}"#), "a run and a job"),
            (token(r#"{"scp":"Actions.Results:r:j:k"}"#), "a run and a job"),
            (token(r#"{"scp":"Actions.Results::j"}"#), "a run and a job"),
        ] {
            let error = BackendIds::from_token(&bad).unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    proptest! {
        #[test]
        fn parsing_any_text_never_panics(text in ".{0,80}") {
            let _ = BackendIds::from_token(&text);
            let _ = BackendIds::from_token(&token(&text));
        }

        #[test]
        fn any_ids_are_parsed(run in "[a-z0-9-]{1,36}", job in "[a-z0-9-]{1,36}") {
            let ids = BackendIds::from_token(&token(&format!(r#"{{"scp":"Actions.Results:{run}:{job}"}}"#))).unwrap();
            prop_assert_eq!(ids, BackendIds { run, job });
        }
    }
}
