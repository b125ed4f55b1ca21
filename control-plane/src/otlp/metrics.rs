//! The metrics as OTLP has them, read from the text that Prometheus is served: there is one list of series.

use super::{scope, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Counts since the start, of `AggregationTemporality`.
const CUMULATIVE: i64 = 2;

type Labels = Vec<(String, String)>;

/// A metric while it is read.
#[derive(Default)]
struct Family<'a> {
    name: &'a str,
    help: &'a str,
    kind: &'a str,
    points: Vec<(Labels, f64)>,
    histograms: BTreeMap<Labels, Histogram>,
}

#[derive(Default)]
struct Histogram {
    /// Upper bounds, and how many are at or below each; the last is without a bound.
    buckets: Vec<(f64, f64)>,
    sum: f64,
    count: f64,
}

/// An `ExportMetricsServiceRequest`, from the text format, the time of the start and the present one.
pub(super) fn request(served: &str, resource: &Value, times: [&str; 2]) -> Value {
    let families = read(served);
    let metrics: Vec<Value> = families.iter().map(|family| metric(family, times)).collect();
    json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"scope": scope(), "metrics": metrics}]}]})
}

fn read(served: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for line in served.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            families.push(Family { name, help, ..Family::default() });
        } else if let (Some((_, kind)), Some(family)) = (line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')), families.last_mut()) {
            family.kind = kind;
        } else if let (Some((name, labels, value)), Some(family)) = (sample(line), families.last_mut()) {
            family.take(name, labels, value);
        }
    }
    families
}

impl Family<'_> {
    fn take(&mut self, name: &str, mut labels: Labels, value: f64) {
        if self.kind != "histogram" {
            return self.points.push((labels, value));
        }
        let bound = labels.iter().position(|(name, _)| name == "le").map(|index| labels.remove(index).1);
        let histogram = self.histograms.entry(labels).or_default();
        match (name.rsplit('_').next(), bound.and_then(|bound| bound.parse().ok())) {
            (Some("bucket"), Some(bound)) => histogram.buckets.push((bound, value)),
            (Some("sum"), _) => histogram.sum = value,
            (Some("count"), _) => histogram.count = value,
            _ => {}
        }
    }
}

fn metric(family: &Family<'_>, [start, now]: [&str; 2]) -> Value {
    let name = family.name.strip_suffix("_total").unwrap_or(family.name);
    let unit = if name.ends_with("_seconds") { "s" } else { "" };
    let point = |(labels, value): &(Labels, f64)| json!({"attributes": attributes(labels), "startTimeUnixNano": start, "timeUnixNano": now, "asDouble": value});
    // JSON has no number for what is not finite.
    let points: Vec<Value> = family.points.iter().filter(|(_, value)| value.is_finite()).map(point).collect();
    let (kind, data) = match family.kind {
        "counter" => ("sum", json!({"dataPoints": points, "aggregationTemporality": CUMULATIVE, "isMonotonic": true})),
        "histogram" => {
            let points: Vec<Value> = family.histograms.iter().map(|(labels, histogram)| histogram.point(labels, [start, now])).collect();
            ("histogram", json!({"dataPoints": points, "aggregationTemporality": CUMULATIVE}))
        }
        _ => ("gauge", json!({"dataPoints": points})),
    };
    json!({"name": name, "description": family.help, "unit": unit, kind: data})
}

impl Histogram {
    fn point(&self, labels: &Labels, [start, now]: [&str; 2]) -> Value {
        let below = self.buckets.iter().scan(0.0, |below, (_, count)| Some(count - std::mem::replace(below, *count)));
        let counts: Vec<String> = below.map(|count| count.to_string()).collect();
        let bounds: Vec<f64> = self.buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect();
        json!({
            "attributes": attributes(labels),
            "startTimeUnixNano": start,
            "timeUnixNano": now,
            "count": self.count.to_string(),
            "sum": self.sum,
            "bucketCounts": counts,
            "explicitBounds": bounds,
        })
    }
}

fn attributes(labels: &Labels) -> Vec<Value> {
    labels.iter().map(|(name, value)| text(name, value)).collect()
}

/// A line of the text format: `name{label="value",..} number`.
fn sample(line: &str) -> Option<(&str, Labels, f64)> {
    let Some((name, rest)) = line.split_once('{') else {
        let (name, value) = line.split_once(' ')?;
        return Some((name, Labels::new(), value.parse().ok()?));
    };
    let (mut labels, mut rest) = (Labels::new(), rest);
    while let Some((label, after)) = rest.trim_start_matches(',').split_once("=\"") {
        let (value, after) = quoted(after)?;
        labels.push((label.into(), value));
        rest = after;
        if rest.starts_with('}') {
            break;
        }
    }
    Some((name, labels, rest.strip_prefix("} ")?.parse().ok()?))
}

/// A text up to the quotation mark that ends it, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, text.get(at + 1..)?)),
            (_, '\\') => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            (_, other) => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_gauges_and_buckets_are_what_the_text_says() {
        let served = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1,\\\"}\\\\\",y=\"\"} 3\na_total{x=\"\",y=\"z\"} 4\n\
            # HELP g G.\n# TYPE g gauge\ng 1.5\n# HELP t_seconds T.\n# TYPE t_seconds histogram\n\
            t_seconds_sum 7.5\nt_seconds_count 6\nt_seconds_bucket{le=\"0.5\"} 1\nt_seconds_bucket{le=\"1\"} 4\nt_seconds_bucket{le=\"+Inf\"} 6\n";
        let told = request(served, &json!({}), ["1", "2"]);
        let metrics = &told["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
        let counter = &metrics[0]["sum"]["dataPoints"][0];
        assert_eq!((&metrics[0]["name"], &counter["asDouble"]), (&json!("a"), &json!(3.0)));
        assert_eq!(counter["attributes"], json!([text("x", "1,\"}\\"), text("y", "")]));
        assert_eq!(metrics[1]["gauge"]["dataPoints"][0]["asDouble"], 1.5);
        let point = &metrics[2]["histogram"]["dataPoints"][0];
        assert_eq!((&point["bucketCounts"], &point["explicitBounds"]), (&json!(["1", "3", "2"]), &json!([0.5, 1.0])));
        assert_eq!((&point["count"], &point["sum"], &metrics[2]["unit"]), (&json!("6"), &json!(7.5), &json!("s")));
    }
}
