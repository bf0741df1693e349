//! Random names of runs.

/// Random name of a run, 16 hexadecimal digits: nonces derive from it.
///
/// # Errors
/// A system whose random generator fails: two runs of one name would share nonces, and a cache would know the layers of the other.
pub fn random_id() -> anyhow::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|e| anyhow::anyhow!("cannot draw a random name for the run: {e}: allow the system call getrandom"))?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_have_16_digits_and_differ() {
        let (first, second) = (random_id().unwrap(), random_id().unwrap());
        assert!(first.len() == 16 && first != second, "{first} {second}");
    }
}
