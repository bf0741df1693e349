//! Ranks in which ties share the middle, doubled so that they stay whole.

/// The doubled midrank of each value, from 2.
pub(super) fn doubled_midranks<T: Ord + Copy>(values: &[T]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|i| values[*i]);
    let mut ranks = vec![0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let tied = order[start..].iter().take_while(|i| values[**i] == values[order[start]]).count();
        for i in &order[start..start + tied] {
            // The mean of ranks start+1 ..= start+tied, twice.
            ranks[*i] = 2 * start + tied + 1;
        }
        start += tied;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tied_values_share_the_mid_rank() {
        assert_eq!(doubled_midranks(&[30, 10, 20]), [6, 2, 4]);
        assert_eq!(doubled_midranks(&[5, 5, 1]), [5, 5, 2]);
        assert_eq!(doubled_midranks::<i64>(&[]), [0; 0]);
    }
}
