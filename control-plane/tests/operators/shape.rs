//! Whether a value has the shape that the OpenAPI document says.
//!
//! It knows the words of JSON Schema that the document uses, and fails on any other, so that nothing is passed over. An answer has
//! no member that the document does not name.

use serde_json::Value;

/// Words that say nothing about a value.
const SAID: [&str; 6] = ["title", "description", "default", "format", "$schema", "examples"];

/// What does not fit, and where.
pub(crate) fn check(document: &Value, shape: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Some(words) = shape.as_object() else {
        return if *shape == Value::Bool(true) { Ok(()) } else { Err(format!("{at}: nothing fits {shape}")) };
    };
    let fits = |shape: &Value| check(document, shape, value, at);
    for (word, says) in words.iter().filter(|(word, _)| !SAID.contains(&word.as_str())) {
        match word.as_str() {
            "$ref" => {
                let place = says.as_str().unwrap().strip_prefix('#').unwrap();
                fits(document.pointer(place).ok_or_else(|| format!("{at}: there is no {place} in the document"))?)?;
            }
            "type" => is_type(says, value, at)?,
            "const" if says == value => (),
            "enum" if says.as_array().unwrap().contains(value) => (),
            "minimum" if value.as_f64() >= says.as_f64() || value.is_null() => (),
            "maximum" if value.as_f64() <= says.as_f64() => (),
            "anyOf" | "oneOf" if says.as_array().unwrap().iter().any(|one| fits(one).is_ok()) => (),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, says, item, &format!("{at}[{index}]"))?;
                }
            }
            "required" => {
                let missing = says.as_array().unwrap().iter().find(|name| value.get(name.as_str().unwrap()).is_none());
                missing.map_or(Ok(()), |name| Err(format!("{at}: {name} is missing in {value}")))?;
            }
            "properties" | "additionalProperties" => members(document, shape, value, at)?,
            "const" | "enum" | "minimum" | "maximum" | "anyOf" | "oneOf" => return Err(format!("{at}: {value} does not fit {word} {says}")),
            _ => return Err(format!("{at}: the word {word} is not known here")),
        }
    }
    Ok(())
}

fn members(document: &Value, shape: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (name, member) in value.as_object().into_iter().flatten() {
        let own = shape["properties"].get(name).or(shape.get("additionalProperties"));
        let own = own.ok_or_else(|| format!("{at}: {name} is not in the document"))?;
        check(document, own, member, &format!("{at}.{name}"))?;
    }
    Ok(())
}

fn is_type(says: &Value, value: &Value, at: &str) -> Result<(), String> {
    let is = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    let fits = says.as_array().map_or_else(|| is(says), |names| names.iter().any(is));
    if fits { Ok(()) } else { Err(format!("{at}: {value} is no {says}")) }
}

#[test]
fn what_does_not_fit_is_seen() {
    use serde_json::json;
    let shape =
        json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 0}, "b": {"type": ["string", "null"]}}, "required": ["a"]});
    let fits = |value: Value| check(&json!({}), &shape, &value, "it").is_ok();
    assert!(fits(json!({"a": 1})) && fits(json!({"a": 0, "b": null})));
    for value in [json!({}), json!([]), json!({"a": "1"}), json!({"a": -1}), json!({"a": 1, "b": 2}), json!({"a": 1, "c": 1})] {
        assert!(!fits(value.clone()), "{value}");
    }
    assert!(check(&json!({}), &json!({"if": {}}), &json!(1), "it").is_err(), "an unknown word");
}
