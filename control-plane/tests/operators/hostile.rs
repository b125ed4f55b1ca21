//! What no operator should send.

use crate::desk::{Desk, body, refused, routes};
use serde_json::{Value, json};

#[test]
fn what_is_out_of_form_is_refused_with_words_and_changes_nothing() {
    let desk = Desk::new();
    let admin = desk.admin();
    let refused_as = |path: &str, text: &str, code: &str| {
        let reply = body(&desk.server.operate(&admin, &format!("/v1/operators/{path}"), Some(text)));
        assert_eq!(reply["code"], code, "{path} {text:.80}");
        reply["error"].as_str().unwrap().to_owned()
    };
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for text in ["", "{}", "null", "{\"hosts\":1}", "{\"hosts\":\"*\",\"ttl_seconds\":60,\"reason\":\"r\",\"typo\":1}", deep.as_str()] {
        assert_eq!(refused_as("tokens/create", text, "request.invalid"), "no token was created");
    }
    let token = |hosts: &str, ttl: i64, reason: &str| json!({"hosts": hosts, "ttl_seconds": ttl, "reason": reason}).to_string();
    for text in [token("../*", 60, "r"), token("*", 0, "r"), token("*", 99_999_999, "r"), token("*", 60, " "), token("*", 60, &"r".repeat(600))] {
        assert_eq!(refused_as("tokens/create", &text, "request.invalid"), "no token was created");
    }
    let ban = "{\"names\":[\"none\"],\"action\":\"ban\",\"reason\":\"r\"}";
    assert_eq!(refused_as("hosts/change", ban, "host.unknown"), "no host was changed");
    assert_eq!(refused_as("tokens/revoke", "{\"name\":\"00\",\"reason\":\"r\"}", "token.unknown"), "the token was not revoked");
    let big = std::env::temp_dir().join(format!("pinnaced-big-{}", std::process::id()));
    std::fs::write(&big, vec![b' '; 2 << 20]).unwrap();
    let reply = desk.server.operate(&admin, "/v1/operators/tokens/create", Some(&format!("@{}", big.display())));
    assert!(matches!(reply.status, 0 | 400), "it is cut or refused: {reply:?}");
    std::fs::remove_file(big).unwrap();
    let tokens = body(&desk.get("tokens"));
    assert_eq!(tokens["tokens"], json!([]));
}

/// Every route, every member: another type, one member more, and nothing at all are refused in words.
#[test]
fn no_route_takes_a_member_of_another_type_or_name() {
    let desk = Desk::new();
    let document = desk.document();
    let mut tried = 0;
    for route in routes(&document).iter().filter(|route| route.method == "post") {
        let reference = route.operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
        let shape = document.pointer(reference.trim_start_matches('#')).unwrap();
        assert_eq!(shape["additionalProperties"], false, "{} says that it takes no member more", route.path);
        let path = route.path.strip_prefix("/v1/operators/").unwrap();
        let mut bodies = vec![json!({"surprise": true}), json!([]), json!(7), Value::Null];
        bodies.extend(shape["properties"].as_object().unwrap().keys().map(|name| json!({name: {"?": [{}]}})));
        for asked in bodies {
            assert_eq!(refused(&desk.post(path, &asked)), (400, "request.invalid".into()), "{path} {asked}");
            tried += 1;
        }
        let reply = desk.get(path);
        assert_eq!(reply.status, 405, "{path}: {reply:?}");
    }
    assert!(tried > 80, "{tried}");
    assert_eq!(refused(&desk.get("nothing")).0, 404);
    assert_eq!(desk.post("whoami", &json!({})).status, 405);
}
