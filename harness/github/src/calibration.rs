//! Measurement of a runner's link to the artifact service (rates and request times), and the resulting profile.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use ureq::Agent;

use crate::inputs::{input, number};
use crate::{GithubError, timeouts};

const MIB: usize = 1 << 20;
/// Block size of GitHub's client.
const BLOCK: usize = 8 * MIB;
/// Suffix of the names of figures that are times and not rates.
const TIME: &str = ", s";

/// Repeated values of each figure, in seconds or bytes per second.
#[derive(Debug, Clone, Default)]
struct Calibration {
    figures: Vec<(&'static str, Vec<f64>)>,
}

type Result<T, E = String> = std::result::Result<T, E>;

/// Artifact service with the token of an action's step.
#[derive(Debug)]
struct Link {
    agent: Agent,
    base: String,
    token: String,
    run: String,
    job: String,
}

fn error(what: &'static str) -> impl Fn(ureq::Error) -> String {
    move |e| format!("{what}: {e}")
}

/// Measures this runner's link after the workflow's inputs. Returns two files by name: the table of figures, and the profile.
///
/// `name` prefixes the artifacts, which are deleted; `scratch` is a folder for a temporary file.
///
/// # Errors
/// An input is not a number, the token is not that of a job, or the service fails.
pub fn calibrate(name: &str, scratch: &Path) -> Result<[(&'static str, String); 2], GithubError> {
    let (mib, repeats) = (number("megabytes", 256, 1..=4096, "")?, number("repeats", 3, 1..=4096, "")?);
    let link = Link::from_env().map_err(GithubError::Input)?;
    std::fs::create_dir_all(scratch).map_err(GithubError::io("create", scratch))?;
    let (bytes, repeats) = ((mib as usize) << 20, repeats as usize);
    let found = Calibration::measure(&link, name, bytes, repeats, scratch).map_err(GithubError::Input)?;
    let runner = input("runner").unwrap_or_else(|| "without a label".to_owned());
    let when = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let profile = found.profile(&runner, &when).map_err(GithubError::Input)?;
    Ok([("calibration.md", found.table()), ("measured.toml", profile)])
}

impl Link {
    /// Service of the variables that a runner sets for actions.
    fn from_env() -> Result<Self> {
        let variable = |name: &str| {
            std::env::var(name).ok().filter(|v| !v.is_empty()).ok_or_else(|| {
                format!("{name} is not set: take it from an action's step (ghaction-github-runtime), or from `handoff serve`")
            })
        };
        let token = variable("ACTIONS_RUNTIME_TOKEN")?;
        let payload = token.split('.').nth(1).unwrap_or_default().trim_end_matches('=');
        let claims = URL_SAFE_NO_PAD.decode(payload).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let claims: Value = claims.ok_or("ACTIONS_RUNTIME_TOKEN is not a token of a job")?;
        let scopes = claims.get("scp").and_then(Value::as_str).unwrap_or_default();
        let parts: Vec<&str> =
            scopes.split(' ').find(|s| s.starts_with("Actions.Results:")).unwrap_or_default().split(':').collect();
        let [_, run, job] = parts.as_slice() else {
            return Err("ACTIONS_RUNTIME_TOKEN names no run and job".to_owned());
        };
        let config = Agent::config_builder().timeout_global(Some(timeouts::HTTP_CALL)).build();
        let base = variable("ACTIONS_RESULTS_URL")?.trim_end_matches('/').to_owned();
        let (run, job) = ((*run).to_owned(), (*job).to_owned());
        Ok(Self { agent: config.into(), base, token, run, job })
    }

    fn call(&self, method: &str, mut body: Value) -> Result<Value> {
        body["workflow_run_backend_id"] = self.run.clone().into();
        body["workflow_job_run_backend_id"] = self.job.clone().into();
        let url = format!("{}/twirp/github.actions.results.api.v1.ArtifactService/{method}", self.base);
        let request = self.agent.post(url).header("authorization", format!("Bearer {}", self.token));
        let sent = request.header("content-type", "application/json").send(body.to_string());
        let text =
            sent.map_err(error("artifact service"))?.body_mut().read_to_string().map_err(error("artifact service"))?;
        serde_json::from_str(&text).map_err(|e| format!("artifact service: {e}"))
    }

    /// Uploads `bytes` in blocks over a number of connections. Returns the time in seconds.
    fn upload(&self, name: &str, bytes: usize, block: usize, connections: usize) -> Result<f64> {
        let artifact = self.call("CreateArtifact", json!({ "name": name, "version": 4 }))?;
        let url = artifact.get("signed_upload_url").and_then(Value::as_str);
        let url = url.ok_or("artifact service: the answer has no upload address")?.to_owned();
        let blocks: Vec<String> = (0..bytes.div_ceil(block))
            .map(|n| base64::engine::general_purpose::STANDARD.encode(format!("{n:016}")))
            .collect();
        let body = handoff_machine::disk_speed::noise(block);
        let start = Instant::now();
        parallel(connections, blocks.len(), |n| {
            let id = blocks[n].replace('=', "%3D");
            let sent = self.agent.put(format!("{url}&comp=block&blockid={id}")).send(&body[..]);
            sent.map(|_| ()).map_err(error("put block"))
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let list = blocks.iter().map(|id| format!("<Latest>{id}</Latest>")).collect::<Vec<_>>().concat();
        let xml = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{list}</BlockList>");
        self.agent.put(format!("{url}&comp=blocklist")).send(xml).map_err(error("put block list"))?;
        self.call("FinalizeArtifact", json!({ "name": name, "size": (blocks.len() * block).to_string() }))?;
        Ok(seconds)
    }

    /// Downloads `bytes` of an artifact in ranges over a number of connections. Returns the time in seconds.
    fn download(&self, name: &str, bytes: usize, connections: usize) -> Result<f64> {
        let signed = self.call("GetSignedArtifactURL", json!({ "name": name }))?;
        let url = signed.get("signed_url").and_then(Value::as_str);
        let url = url.ok_or("artifact service: the answer has no download address")?;
        let part = bytes.div_ceil(connections);
        let start = Instant::now();
        parallel(connections, connections, |n| {
            let range = format!("bytes={}-{}", n * part, ((n + 1) * part).min(bytes) - 1);
            let request = self.agent.get(url).header("x-ms-range", &range).header("range", &range);
            let mut answer = request.call().map_err(error("get"))?;
            std::io::copy(&mut answer.body_mut().as_reader(), &mut std::io::sink()).map_err(|e| format!("get: {e}"))?;
            Ok(())
        })?;
        Ok(start.elapsed().as_secs_f64())
    }

    fn delete(&self, name: &str) {
        // The artifact disappears with its run at the latest.
        let _ = self.call("DeleteArtifact", json!({ "name": name }));
    }
}

/// Runs `work` for every number below `count` in a number of threads.
fn parallel(threads: usize, count: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let one = || loop {
            let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if n >= count {
                return Ok(());
            }
            work(n)?;
        };
        let running: Vec<_> = (0..threads.min(count)).map(|_| scope.spawn(one)).collect();
        running.into_iter().try_for_each(|t| t.join().map_err(|_| "a thread panicked".to_owned())?)
    })
}

impl Calibration {
    /// Measures every figure of a link `repeats` times with `bytes`.
    fn measure(link: &Link, name: &str, bytes: usize, repeats: usize, scratch: &Path) -> Result<Self> {
        let mut all = Self::default();
        for repeat in 0..repeats {
            let name = |what: &str| format!("{name}-{repeat}-{what}");
            let rate = |bytes: usize, seconds: f64| bytes as f64 / seconds;
            let moved = bytes.div_ceil(BLOCK) * BLOCK;
            for (figure, connections) in [("up, 1 connection", 1), ("up, 5 connections", 5), ("up, 32 connections", 32)]
            {
                let one = name(&connections.to_string());
                all.add(figure, rate(moved, link.upload(&one, bytes, BLOCK, connections)?));
                if connections < 32 {
                    link.delete(&one);
                }
            }
            let kept = name("32");
            for (figure, connections) in [("down, 1 GET", 1), ("down, 8 ranged GETs", 8)] {
                all.add(figure, rate(moved, link.download(&kept, moved, connections)?));
            }
            for _ in 0..10 {
                all.add("blob request of 16 bytes, s", link.download(&kept, 16, 1)?);
                let start = Instant::now();
                link.call("ListArtifacts", json!({ "name_filter": kept }))?;
                all.add("call of the service, s", start.elapsed().as_secs_f64());
            }
            link.delete(&kept);
            all.machine(scratch)?;
        }
        Ok(all)
    }

    /// Measures the machine: its disk, and one core.
    fn machine(&mut self, scratch: &Path) -> Result<()> {
        let path = scratch.join("handoff-calibrate.tmp");
        let io = |e: std::io::Error| format!("{}: {e}", path.display());
        let block = vec![7_u8; BLOCK];
        let start = Instant::now();
        let mut file = std::fs::File::create(&path).map_err(io)?;
        (0..16).try_for_each(|_| file.write_all(&block)).and_then(|()| file.sync_all()).map_err(io)?;
        self.add("disk, written and synced", (16 * BLOCK) as f64 / start.elapsed().as_secs_f64());
        std::fs::remove_file(&path).map_err(io)?;
        let start = Instant::now();
        let sum = (0..16).fold(0_u64, |sum, _| block.iter().fold(sum, |s, b| s.rotate_left(5) ^ u64::from(*b)));
        std::hint::black_box(sum);
        self.add("one core, a rotate and an xor a byte", (16 * BLOCK) as f64 / start.elapsed().as_secs_f64());
        Ok(())
    }

    fn add(&mut self, figure: &'static str, value: f64) {
        match self.figures.iter_mut().find(|(name, _)| *name == figure) {
            Some((_, values)) => values.push(value),
            None => self.figures.push((figure, vec![value])),
        }
    }

    /// Median, minimum and maximum of values; none without values.
    fn spread(values: &[f64]) -> Option<(f64, f64, f64)> {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        Some((*values.get(values.len() / 2)?, *values.first()?, *values.last()?))
    }

    /// Median, minimum and maximum of a figure.
    fn figure(&self, figure: &str) -> Result<(f64, f64, f64)> {
        let values = self.figures.iter().find(|(name, _)| *name == figure).map(|(_, values)| values.as_slice());
        values.and_then(Self::spread).ok_or_else(|| format!("`{figure}` was not measured: measure again"))
    }

    /// Figures as a Markdown table.
    fn table(&self) -> String {
        let mut text = String::from("| measured here | median | lowest | highest |\n| --- | ---: | ---: | ---: |\n");
        for (name, values) in &self.figures {
            let Some((median, low, high)) = Self::spread(values) else { continue };
            let show = |v: f64| match name.strip_suffix(TIME) {
                Some(_) => format!("{:.1} ms", v * 1e3),
                None => format!("{:.1} MiB/s", v / MIB as f64),
            };
            let [median, low, high] = [median, low, high].map(show);
            let _ = writeln!(text, "| {} | {median} | {low} | {high} |", name.trim_end_matches(TIME));
        }
        text
    }

    /// Figures as a profile for `handoff run --profile`. The cache, which is not measured, gets the figures of artifacts.
    ///
    /// # Errors
    /// A figure was not measured.
    fn profile(&self, runner: &str, when: &str) -> Result<String> {
        // The label is free text inside a TOML string.
        let runner: String = runner.chars().filter(|c| c.is_ascii_alphanumeric() || "-_. ".contains(*c)).collect();
        let mut text = format!(
            "name = \"measured\"\nsummary = \"the link of runner {runner}, as `handoff github calibrate` measured it on {when}\"\nabout = \"\"\"\nMeasured on one runner ({runner}) on {when}, against the artifact service, by plain requests. The cache was not measured and has\nthe same figures, as assumptions. A run under this profile is simulated.\n\"\"\"\n"
        );
        let figures = [
            ("up.connection", "up, 1 connection"),
            ("up.aggregate", "up, 32 connections"),
            ("down.connection", "down, 1 GET"),
            ("down.aggregate", "down, 8 ranged GETs"),
            ("request_ms", "blob request of 16 bytes, s"),
        ];
        for (kind, basis) in [("artifact", "measured"), ("cache", "assumed")] {
            for (key, figure) in figures {
                self.entry(&mut text, &format!("{kind}.{key}"), basis, figure)?;
            }
        }
        self.entry(&mut text, "api.call_ms", "measured", "call of the service, s")?;
        Ok(text)
    }

    fn entry(&self, text: &mut String, key: &str, basis: &str, figure: &str) -> Result<()> {
        let (median, low, high) = self.figure(figure)?;
        let show = |v: f64| match figure.strip_suffix(TIME) {
            Some(_) => format!("{:.3}", v * 1e3),
            None => format!("\"{:.3}MiB/s\"", (v / MIB as f64).max(0.001)),
        };
        let [value, low, high] = [median, low, high].map(show);
        let note = format!("Measured: {}; median, lowest and highest.", figure.trim_end_matches(TIME));
        let _ = writeln!(
            text,
            "\n[{key}]\nvalue = {value}\nlow = {low}\nhigh = {high}\nbasis = \"{basis}\"\nnote = \"{note}\""
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_with_an_unmeasured_figure_is_refused() {
        let calibration = Calibration { figures: vec![("up, 1 connection", vec![3.0, 1.0, 2.0])] };
        assert_eq!(calibration.figure("up, 1 connection"), Ok((2.0, 1.0, 3.0)));
        let error = calibration.profile("x", "today").unwrap_err();
        assert_eq!(error, "`up, 32 connections` was not measured: measure again");
    }

    #[test]
    fn parallel_work_covers_all_numbers_and_returns_a_failure() {
        let sum = std::sync::atomic::AtomicUsize::new(0);
        parallel(3, 10, |n| {
            sum.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        assert_eq!(sum.into_inner(), 45);
        assert!(parallel(2, 4, |n| if n == 3 { Err("x".to_owned()) } else { Ok(()) }).is_err());
    }
}
