//! `handoff profiles`.

use handoff_service::profile::{self, Basis, Figure, Unit};

use crate::out;

/// Prints every link profile of the project with its prose and the source of each figure.
pub fn run() -> anyhow::Result<()> {
    for name in profile::names() {
        let profile = profile::load(name)?;
        out::data(&format!("{name}: {}\n    {}\n", profile.summary, profile.about.replace('\n', "\n    ")));
        for (key, unit, figure) in profile.figures() {
            out::data(&format!("    {key:<25} {}", line(unit, figure)));
            out::data(&format!("        {}", figure.note));
        }
        if profile.figures().next().is_some() {
            out::data("");
        }
    }
    Ok(())
}

fn line(unit: Unit, figure: &Figure) -> String {
    let range = match (figure.low, figure.high) {
        (Some(low), Some(high)) => format!(" ({} to {})", unit.show(low), unit.show(high)),
        _ => String::new(),
    };
    let basis = match figure.basis {
        Some(Basis::Published) => ", published",
        Some(Basis::Assumed) => ", assumed",
        None => "",
    };
    format!("{}{range}{basis}", unit.show(figure.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_printed_with_range_and_basis() {
        let profile = profile::load("github-hosted").unwrap();
        let shown = |key: &str| {
            let (_, unit, figure) = profile.figures().find(|(name, ..)| *name == key).unwrap();
            line(unit, figure)
        };
        assert_eq!(shown("cache.down.aggregate"), "120MiB/s (50MiB/s to 220MiB/s), published");
        assert_eq!(shown("api.call_ms"), "200 ms (100 ms to 500 ms), assumed");
        assert_eq!(shown("cache.creates_per_minute"), "200, published");
    }
}
