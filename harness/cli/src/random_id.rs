//! Names that no other run has.

use std::path::Path;

/// A name that no other run has: nonces are made from it.
///
/// # Errors
/// A source of random names that does not read: runs of one name would share nonces, and a cache would know the layers of another.
pub fn random_id() -> anyhow::Result<String> {
    random_id_from(Path::new("/proc/sys/kernel/random/uuid"))
}

fn random_id_from(source: &Path) -> anyhow::Result<String> {
    const DIGITS: usize = 16;
    let uuid = std::fs::read_to_string(source).map_err(|e| {
        anyhow::anyhow!("cannot read {}: {e}: mount /proc, a run's name is drawn from it", source.display())
    })?;
    let id: String = uuid.chars().filter(char::is_ascii_hexdigit).take(DIGITS).collect();
    anyhow::ensure!(id.len() == DIGITS, "{} gives no random name but `{}`: mount /proc", source.display(), uuid.trim());
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_random_source_is_an_error_and_no_empty_name() {
        let (first, second) = (random_id().unwrap(), random_id().unwrap());
        assert!(first.len() == 16 && first != second, "{first} {second}");
        let error = random_id_from(Path::new("/proc/self/no-such-file")).unwrap_err().to_string();
        assert!(error.contains("/proc/self/no-such-file") && error.contains("mount /proc"), "{error}");
        let error = random_id_from(Path::new("/dev/null")).unwrap_err().to_string();
        assert!(error.contains("/dev/null gives no random name") && !error.contains('\n'), "{error}");
    }
}
