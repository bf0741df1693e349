//! Strategies of this project beside the stock ways: how they work, how they compare, and where they lose.

use handoff_analysis::{Metric, Variants, ratios_within_rounds};
use handoff_model::list::and;
use handoff_model::{ImageStore, StrategySpec};

use crate::block::Block;
use crate::factors;
use crate::format::{NONE, capital, interval, time, time_spread};
use crate::grid::{Cell, Grid};
use crate::report::{Group, Line, Report};

/// How the transport of this project works.
const HOW: &str = "Docker's push, and its pull where no import is possible, without an outside registry: each job runs one end of a \
    registry on loopback. Its storage is the artifact service or the cache. The producer stores layers while Docker pushes them, \
    with several requests at once. The consumer fetches them by parallel ranges. It imports them into the engine's containerd store \
    while they come, or the engine pulls them. Both ends check every blob against its digest.";

/// What an engine with the overlay2 store gets, as on hosted runners with Docker 28.
const WITHOUT_STORE_SWITCH: &str = "An engine with the overlay2 store cannot import an image while dockerd runs. Without `store-switch`, \
    `relay` is only a faster transport there: dockerd pulls the image and unpacks one layer after another. `store-switch=true` turns the \
    containerd store on and restarts the daemon, so that the image is imported.";

const PICTURE: &str = "\
producer job                                              consumer job
 builder or engine                                         engine
   │ push, layer by layer                                    ▲ import or pull, unpacking meanwhile
   ▼                                                         │
 sender on 127.0.0.1                                       receiver on 127.0.0.1
   │ blocks, several at once     one artifact, or            ▲ ranges, several at once
   └──────────────────────────▶ one cache entry a layer ─────┘";

/// Names and section of this project's strategies; none where no trial of theirs completed.
pub(crate) fn blocks(report: &Report) -> Option<(String, Vec<Block>)> {
    let variants = report.variants();
    let mut grid = Grid::new(
        "Cell | Approach | Transfer, s: | Best other | Transfer, s: | Second other | Transfer, s: | \
         Ratio to the best within rounds [interval]:",
    );
    let mut loses = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for group in &report.groups {
        for i in 0..group.sizes.len() {
            let cell = cell_name(report, group, i);
            // Strategies of this project, whatever their options; other strategies with our options are left out.
            for line in lines(group, |spec| variants.is_ours(&StrategySpec::plain(&spec.name))) {
                let Some(transfer) = spread(line, i, Metric::Transfer) else { continue };
                let mut others: Vec<(u64, &Line)> =
                    lines(group, |spec| !variants.is_ours(spec) && !variants.is_baseline(spec))
                        .filter_map(|l| Some((spread(l, i, Metric::Transfer)?.median(), l)))
                        .collect();
                others.sort_by_key(|(ns, _)| *ns);
                let mut row = vec![cell.clone().into(), Cell::strategy(line), time_spread(Some(transfer)).into()];
                for rank in 0..2 {
                    match others.get(rank) {
                        Some((_, other)) => {
                            row.push(Cell::strategy(other));
                            row.push(time_spread(spread(other, i, Metric::Transfer)).into());
                        }
                        None => row.extend([NONE.into(), NONE.into()]),
                    }
                }
                row.push(
                    others.first().and_then(|(_, best)| ratio(line, best, i)).unwrap_or_else(|| NONE.to_owned()).into(),
                );
                grid.rows.push(row);
                if !names.contains(&line.spec.name.as_str()) {
                    names.push(&line.spec.name);
                }
                loses.extend(smaller(variants, group, i, line).map(|text| format!("{}: {text}.", capital(&cell))));
            }
        }
    }
    if grid.rows.is_empty() {
        return None;
    }
    let quoted = and(&names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>());
    let (is, uses, its) = if names.len() == 1 { ("is", "uses", "its") } else { ("are", "use", "their") };
    let what = format!(
        "{quoted} {is} part of this project. All other ways pack the image into a tar or build it again. {quoted} {uses} {HOW}"
    );
    let mut blocks = vec![Block::Text(what), Block::Drawing(PICTURE.to_owned())];
    blocks.extend(
        report
            .groups
            .iter()
            .any(|group| pulls_on_overlay2(variants, group))
            .then(|| Block::Text(WITHOUT_STORE_SWITCH.to_owned())),
    );
    blocks.push(Block::Text(format!(
        "The table has the median of {its} transfer beside those of the two best alternatives under the same conditions. Options count; \
         `zstd-stream` with a connection plan of this project (`ranges`, `blocks`) does not. A ratio below 1 favours \
         {quoted}. It is the median of the ratios within rounds; its interval covers the true median with 95 %, or is their whole \
         range where there are fewer than six rounds. The verdicts tell whether the difference is more than noise."
    )));
    blocks.push(Block::Table(grid));
    if loses.is_empty() {
        blocks.push(Block::Text(String::from("Where it loses: nowhere. In no cell has another approach a smaller median of transfer, critical path, producer or consumer.")));
    } else {
        blocks.push(Block::Text("Where it loses, by medians:".to_owned()));
        blocks.push(Block::List(loses));
    }
    Some((names.join(" and "), blocks))
}

/// Median of the ratios of transfers within rounds, with its interval.
fn ratio(line: &Line, best: &Line, i: usize) -> Option<String> {
    let [ours, others] = [line, best].map(|line| line.cells.get(i).and_then(Option::as_ref));
    let ratios = ratios_within_rounds(ours?, others?, Metric::Transfer)?;
    let number = |ppm: u64| format!("{:.2}", ppm as f64 / 1e6);
    let (low, high) = interval(&ratios);
    Some(format!("{} [{}–{}]", number(ratios.median()), number(low), number(high)))
}

/// Whether an image of ours went into an overlay2 engine by its pull. Older rows do not say it, but no other way existed.
fn pulls_on_overlay2(variants: &Variants, group: &Group) -> bool {
    let pulls = |line: &Line| line.cells.iter().flatten().any(|cell| cell.n > 0 && !cell.imports.contains("import"));
    group.conditions.image_store == ImageStore::Overlay2
        && lines(group, |spec| variants.is_ours(&StrategySpec::plain(&spec.name))).any(pulls)
}

fn lines<'a>(group: &'a Group, which: impl Fn(&StrategySpec) -> bool + 'a) -> impl Iterator<Item = &'a Line> {
    group.lines.iter().filter(move |l| !l.control && which(&l.spec))
}

fn spread(line: &Line, i: usize, metric: Metric) -> Option<&handoff_analysis::Spread> {
    line.cells.get(i)?.as_ref()?.spread(metric)
}

/// Name of a cell: its size, and the conditions in which its group differs.
fn cell_name(report: &Report, group: &Group, i: usize) -> String {
    match factors::differences(report, group) {
        differences if differences.is_empty() => group.sizes[i].to_string(),
        differences => format!("{}, {differences}", group.sizes[i]),
    }
}

/// Quantities in which others have a smaller median than a line; none where there are no such.
fn smaller(variants: &Variants, group: &Group, i: usize, line: &Line) -> Option<String> {
    let parts = [Metric::Transfer, Metric::CriticalPath, Metric::Produce, Metric::Consume];
    let losses = parts.into_iter().filter_map(|metric| {
        let median = spread(line, i, metric)?;
        // The baseline has no producer, so that only its critical path compares.
        let is_peer = move |spec: &StrategySpec| {
            !variants.is_ours(spec) && (!variants.is_baseline(spec) || metric == Metric::CriticalPath)
        };
        let less: Vec<String> = lines(group, is_peer)
            .filter_map(|l| Some((spread(l, i, metric)?, l)))
            .filter(|(s, _)| s.median() < median.median())
            .map(|(s, l)| format!("`{}` ({} s)", l.name, time(Some(s))))
            .collect();
        (!less.is_empty()).then(|| {
            format!("the {} of {} is below `{}`'s {} s", metric.words(), and(&less), line.name, time(Some(median)))
        })
    });
    let losses: Vec<String> = losses.collect();
    (!losses.is_empty()).then(|| losses.join("; "))
}
