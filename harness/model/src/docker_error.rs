//! Errors of the docker client that need an explanation.

/// Explanation of the docker client's error about an image, with the fix; `name` is quoted for a shell.
///
/// The client's messages about a missing daemon and a missing image differ by version and transport.
pub fn explained(name: &str, error: &str) -> String {
    let lower = error.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if has(&["cannot connect", "failed to connect", "dial unix", "dial tcp", "daemon running"]) {
        return format!(
            "no Docker daemon answers, so {name} cannot be found: {error}; start the daemon, or set DOCKER_HOST"
        );
    }
    if has(&["no such image", "no such object", "not found"]) {
        return format!(
            "the daemon has no image {name}: use one that `docker image ls` lists, or set DOCKER_HOST to its daemon"
        );
    }
    format!("{name}: {error}: check that `docker image inspect {name}` answers, or set DOCKER_HOST to its daemon")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_daemon_and_missing_image_have_different_fixes() {
        let daemon = "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the \
                      daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory";
        let old = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
        for words in [daemon, old] {
            let error = explained("app:1", words);
            assert!(error.contains("no Docker daemon answers") && error.contains("start the daemon"), "{error}");
        }
        for words in ["Error: No such image: app:1", "Error response from daemon: No such image: app:1"] {
            let error = explained("app:1", words);
            assert!(error.contains("has no image app:1") && error.contains("docker image ls"), "{error}");
        }
    }
}
