//! The templates below `bundles/`, and the one way to fill them.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, syntax::SyntaxConfig};

use super::RenderError;

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../bundles/", $name)))),*]
    };
}

/// Every template, by its path below `bundles/`.
const TEMPLATES: &[(&str, &str)] = templates![
    "common/chrony.conf.j2",
    "common/clock.service.j2",
    "common/needrestart.conf.j2",
    "common/service.conf.j2",
    "common/start.conf.j2",
    "common/tmpfiles.conf.j2",
    "common/timesyncd.conf.j2",
    "common/unattended-upgrades.conf.j2",
    "etcd/etcd.env.j2",
    "etcd/etcd.service.j2",
    "etcd/etcdctl.sh.j2",
    "postgres/createcluster.conf.j2",
    "postgres/lookup.sql.j2",
    "postgres/patroni.py.j2",
    "postgres/patroni.service.j2",
    "postgres/patronictl.sh.j2",
    "postgres/pgbouncer.ini.j2",
    "postgres/pgbouncer.service.j2",
    "postgres/post-bootstrap.sql.j2",
    "proxy/haproxy.cfg.j2",
    "proxy/haproxy.service.j2",
    "proxy/haproxy-secrets.cfg.j2",
    "proxy/keepalived.conf.j2",
    "proxy/keepalived.service.j2",
];

// Parsed once: a cluster's files are filled from them dozens of times.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    environment().expect("the templates are part of this program, whose tests read them all")
});

/// Fills a template with `values`; a name that has no value is an error.
pub fn fill(name: &str, values: Value) -> Result<String, RenderError> {
    let error = |source| RenderError::Template {
        name: format!("bundles/{name}"),
        source,
    };
    let template = ENVIRONMENT.get_template(name).map_err(error)?;
    template.render(values).map_err(error)
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // By default a file's suffix decides, and some suffixes quote every value.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()?;
    // Only templates that are added afterwards are read in this syntax.
    environment.set_syntax(syntax);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text)?;
    }
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_value_is_an_error() {
        let error = fill("postgres/patronictl.sh.j2", minijinja::context! {}).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("bundles/postgres/patronictl.sh.j2"),
            "{error}"
        );
    }
}
