//! The OpenAPI 3.1 document, made from the table of routes.

use super::ROUTES;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Where it is served.
pub(super) const PATH: &str = "/v1/openapi.json";

/// The document.
pub(super) static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = SchemaGenerator::new(settings);
    let mut paths = Map::new();
    for route in ROUTES.iter() {
        let content = |schema: Value| json!({"application/json": {"schema": schema}});
        let response = generator_of(&mut generator, route.response);
        let responses = json!({
            "200": {"description": "It was done", "content": content(response)},
            "default": {"description": "It was not done", "content": content(json!({"$ref": "#/components/schemas/Refusal"}))},
        });
        let mut operation = Map::from_iter([
            ("summary".to_string(), route.about.into()),
            ("x-role".to_string(), route.role.name().into()),
            ("responses".to_string(), responses),
        ]);
        if let Some(request) = route.request {
            let request = generator_of(&mut generator, request);
            operation.insert("requestBody".into(), json!({"required": true, "content": content(request)}));
        }
        let methods = paths.entry(route.path).or_insert_with(|| Map::new().into());
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(route.method.as_str().to_lowercase(), operation.into());
        }
    }
    let mut schemas = generator.take_definitions(true);
    let text = json!({"type": "string"});
    let members = json!({"version": {"const": 1}, "code": text, "error": text, "because": text, "hint": text});
    schemas.insert("Refusal".into(), json!({"type": "object", "properties": members, "required": ["version", "code", "error", "because", "hint"]}));
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Pinnace: the interface for operators", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"certificate": {"type": "mutualTLS"}}},
        "security": [{"certificate": []}],
    })
}

fn generator_of(generator: &mut SchemaGenerator, schema: fn(&mut SchemaGenerator) -> schemars::Schema) -> Value {
    Value::from(schema(generator))
}
