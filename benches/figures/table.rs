//! Measured values against their bounds.

/// Values of one figure.
pub struct Figure {
    pub name: String,
    /// What the median must not exceed; `None` for what only stands there for comparison.
    pub bound: Option<f64>,
    pub unit: &'static str,
    values: Vec<f64>,
}

impl Figure {
    pub fn new(
        name: impl Into<String>,
        bound: impl Into<Option<f64>>,
        unit: &'static str,
        mut values: Vec<f64>,
    ) -> Figure {
        values.sort_by(f64::total_cmp);
        Figure {
            name: name.into(),
            bound: bound.into(),
            unit,
            values,
        }
    }

    pub fn median(&self) -> f64 {
        self.values.get(self.values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub fn is_over(&self) -> bool {
        self.bound.is_some_and(|bound| self.median() > bound)
    }

    /// A row of a Markdown table.
    pub fn row(&self) -> String {
        let end = |value: Option<&f64>| value.map_or("-".to_string(), |value| number(*value));
        let verdict = match (self.values.is_empty(), self.bound) {
            (true, _) => "not measured",
            (_, None) => "",
            _ if self.is_over() => "OVER",
            _ => "ok",
        };
        format!(
            "| {} | {} | {} | {} | {} | {} | {verdict} |",
            self.name,
            self.bound
                .map_or(String::new(), |bound| format!("<= {}", number(bound))),
            end(self.values.first()),
            end(self.values.get(self.values.len() / 2)),
            end(self.values.last()),
            self.unit,
        )
    }
}

pub const HEAD: &str = "\
| figure | bound | min | median | max | unit | |
|---|---|---|---|---|---|---|";

/// With three digits.
pub fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
