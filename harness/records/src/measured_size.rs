//! The size of the user's own image, once it is known: reports name it in place of `own-size`.

use handoff_model::{ByteSize, Plan};

use crate::rows::MeasurementRow;

/// Puts the measured size (`image_bytes`: the bytes of all files) into the rows and cells of a run on the user's own image.
/// Nothing changes for other runs, and where nothing was measured.
pub fn name_measured_size(plan: &mut Plan, rows: &mut [MeasurementRow]) {
    if plan.request.user_image.is_none() {
        return;
    }
    // Two builds of a Dockerfile may differ by some bytes: one run has one size, the largest.
    let Some(size) = rows.iter().filter_map(|row| row.image_bytes).max().filter(|bytes| *bytes > 0).map(ByteSize)
    else {
        return;
    };
    for row in rows.iter_mut().filter(|row| row.size_bytes == ByteSize::USER.bytes()) {
        row.size_bytes = size.bytes();
    }
    for trial in plan.trials.iter_mut().filter(|trial| trial.cell.size == ByteSize::USER) {
        trial.cell.size = size;
    }
}
