//! This project's own strategies beside the ways that anybody has today: what they are, how they compare, and where they lose.

use handoff_analysis::{Metric, Variants};
use handoff_model::StrategySpec;
use handoff_model::list::and;

use crate::block::Block;
use crate::format::{NONE, capital, time, time_spread};
use crate::grid::{Cell, Grid};
use crate::report::{Group, Line, Report};
use crate::table;

/// How this project's own transport works.
const HOW: &str = "Docker's push and pull, without a registry outside: each job runs one end of a registry on loopback, whose \
    storage is the artifact service or the cache. Layers are stored while they are pushed, several requests at once, and come by \
    parallel ranges to an engine that unpacks the first ones meanwhile. Every blob is checked against its digest on both ways.";

const PICTURE: &str = "\
producer job                                              consumer job
 builder or engine                                         engine
   │ push, layer by layer                                    ▲ pull, unpacking meanwhile
   ▼                                                         │
 sending end on 127.0.0.1                                  receiving end on 127.0.0.1
   │ blocks, several at once     one artifact, or            ▲ ranges, several at once
   └──────────────────────────▶ one cache entry a layer ─────┘";

/// The names of our strategies, and what the section says of them. Nothing where no trial of theirs has completed.
pub(crate) fn blocks(report: &Report) -> Option<(String, Vec<Block>)> {
    let variants = report.variants();
    let mut grid = Grid::new(
        "Cell | Approach | Transfer, s: | Best other | Transfer, s: | Second other | Transfer, s: | \
         Ratio to the best:",
    );
    let mut loses = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for group in &report.groups {
        for i in 0..group.sizes.len() {
            let cell = place(report, group, i);
            // Strategies that are ours whatever their options are, not variants alone.
            for line in lines(group, |spec| variants.is_ours(&StrategySpec::plain(&spec.name))) {
                let Some(own) = spread(line, i, Metric::Transfer) else { continue };
                let mut others: Vec<(u64, &Line)> =
                    lines(group, |spec| !variants.is_ours(spec) && !variants.is_baseline(spec))
                        .filter_map(|l| Some((spread(l, i, Metric::Transfer)?.median(), l)))
                        .collect();
                others.sort_by_key(|(ns, _)| *ns);
                let mut row = vec![cell.clone().into(), Cell::strategy(line), time_spread(Some(own)).into()];
                for place in 0..2 {
                    match others.get(place) {
                        Some((_, other)) => {
                            row.push(Cell::strategy(other));
                            row.push(time_spread(spread(other, i, Metric::Transfer)).into());
                        }
                        None => row.extend([NONE.into(), NONE.into()]),
                    }
                }
                let ratio = others.first().map(|(best, _)| own.median() as f64 / *best as f64);
                row.push(ratio.map_or(NONE.to_owned(), |r| format!("{r:.2}")).into());
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
        "{quoted} {is} this project's own. All other ways squeeze the image through a tar, or build it again; {quoted} {uses} {HOW}"
    );
    let mut blocks = vec![Block::Text(what), Block::Drawing(PICTURE.to_owned())];
    blocks.push(Block::Text(format!(
        "Medians of {its} transfer beside those of the two best others under the same conditions. Others are what a user can have \
         today, options included; not `zstd-stream` with a connection plan of ours (`ranges`, `blocks`). A ratio below 1 is in favour \
         of {quoted}; whether it is more than noise, the verdicts say."
    )));
    blocks.push(Block::Table(grid));
    if loses.is_empty() {
        blocks.push(Block::Text(String::from("Where it loses: in none of these cells has another approach a smaller median, neither of the transfer nor of the \
             critical path, nor of a producer or consumer alone.")));
    } else {
        blocks.push(Block::Text("Where it loses, by medians:".to_owned()));
        blocks.push(Block::List(loses));
    }
    Some((names.join(" and "), blocks))
}

fn lines<'a>(group: &'a Group, which: impl Fn(&StrategySpec) -> bool + 'a) -> impl Iterator<Item = &'a Line> {
    group.lines.iter().filter(move |l| !l.control && which(&l.spec))
}

fn spread(line: &Line, i: usize, metric: Metric) -> Option<&handoff_analysis::Spread> {
    line.cells.get(i)?.as_ref()?.spread(metric)
}

/// The cell in words: the size, and what sets its group apart.
fn place(report: &Report, group: &Group, i: usize) -> String {
    match table::apart(report, group) {
        apart if apart.is_empty() => group.sizes[i].to_string(),
        apart => format!("{}, {apart}", group.sizes[i]),
    }
}

/// What others do in less time than this line, if anything.
fn smaller(variants: &Variants, group: &Group, i: usize, line: &Line) -> Option<String> {
    let parts = [Metric::Transfer, Metric::CriticalPath, Metric::Produce, Metric::Consume];
    let told = parts.into_iter().filter_map(|metric| {
        let own = spread(line, i, metric)?;
        // The baseline has one job alone: beside a producer or a consumer of ours it is the critical path that counts.
        let is_peer = move |spec: &StrategySpec| {
            !variants.is_ours(spec) && (!variants.is_baseline(spec) || metric == Metric::CriticalPath)
        };
        let less: Vec<String> = lines(group, is_peer)
            .filter_map(|l| Some((spread(l, i, metric)?, l)))
            .filter(|(s, _)| s.median() < own.median())
            .map(|(s, l)| format!("`{}` ({} s)", l.name, time(Some(s))))
            .collect();
        (!less.is_empty()).then(|| {
            format!("the {} of {} is below `{}`'s {} s", metric.words(), and(&less), line.name, time(Some(own)))
        })
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}
