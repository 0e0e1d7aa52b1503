//! The published JSON Schema is the model, generated: docs/report.schema.json may not fall behind.

use std::path::Path;

use super::Report;

#[test]
fn published_schema_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.schema.json");
    let schema = schemars::schema_for!(Report);
    let mut expected = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    expected.push('\n');
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &expected).expect("docs can be written");
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == expected,
        "docs/report.schema.json differs from the model: run UPDATE_GOLDENS=1 cargo test published_schema"
    );
}
