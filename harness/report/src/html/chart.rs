//! Chart in a page: for wide and narrow screens, with its numbers.

use super::text::{escape, rich};
use crate::plot::Chart;

pub(super) fn render(chart: &Chart) -> String {
    let [wide, narrow] = chart.inline();
    format!(
        "<figure>\n<p class=\"title\">{}</p>\n<div class=\"wide\">{wide}</div>\n<div class=\"narrow\">{narrow}</div>\n\
         <figcaption>{}</figcaption>\n\
         <details>\n<summary>Numbers of this chart<span class=\"hidden\">: {}</span></summary>\n{}</details>\n</figure>\n",
        rich(&chart.title),
        rich(&chart.caption),
        escape(&chart.title),
        super::table(&chart.table, &format!("Table: numbers of {}", chart.title))
    )
}
