//! The normal distribution, for planning only: no verdict rests on it.

/// The value below which a standard normal lies with this probability, by halving; between -8 and 8.
pub fn quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (-8.0_f64, 8.0_f64);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if below(middle) < probability { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The probability of lying below `z`: one half plus the density times z + z³/3 + z⁵/(3·5) + …
fn below(z: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    while term.abs() > 1e-17 {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    0.5 + sum * (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_match_known_values() {
        for (p, z) in [(0.975, 1.959_963_985), (0.5, 0.0), (0.995, 2.575_829_304), (0.05, -1.644_853_627)] {
            assert!((quantile(p) - z).abs() < 1e-8, "{p}: {}", quantile(p));
        }
    }
}
