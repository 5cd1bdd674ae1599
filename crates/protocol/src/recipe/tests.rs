//! Recipes as people write them, right and wrong.

use super::*;
use crate::document::MAX_FILE_BYTES;
use expect_test::{Expect, expect};

const WHOLE: &str = r#"
app = "hello"

[image]
base = "debian-12"
packages = ["python3", "nginx-light=1.22.1-9"]
install = []
run = ["useradd --system hello"]
copy = [{ from = "app/", to = "/srv/hello/" }]

[process.web]
command = ["/usr/bin/python3", "/srv/hello/app.py"]
port = 8080
user = "hello"
writable = ["/var/cache/nginx"]
capabilities = []
stop = { signal = "SIGQUIT", timeout = "10s" }

[process.admin]
command = ["/usr/sbin/nginx", ""]
user = "root"
capabilities = ["KILL", "CHOWN", "KILL"]
"#;

#[test]
fn a_whole_recipe_is_read_in_its_order() {
    let recipe = Recipe::parse(WHOLE).unwrap();
    expect![[r#"
        {
          "app": "hello",
          "image": {
            "base": "debian-12",
            "packages": [
              "python3",
              "nginx-light=1.22.1-9"
            ],
            "run": [
              "useradd --system hello"
            ],
            "copy": [
              {
                "from": "app",
                "to": "/srv/hello",
                "into_directory": true
              }
            ]
          },
          "processes": {}
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&recipe).unwrap());
}
