//! The `sql` block.

use super::attributes::Attributes;
use super::document::Sql;
use super::keys::Key;

/// The values of `db.system` that speak SQL.
const SYSTEMS: [&str; 11] = [
    "db2",
    "derby",
    "hive",
    "mariadb",
    "mssql",
    "mysql",
    "oracle",
    "postgresql",
    "sqlite",
    "teradata",
    "other_sql",
];

/// The block of a statement sent to an SQL database. `url` carries the span's name: that is what the console shows.
pub(super) fn sql<'a>(attributes: Attributes<'a>, span_name: &'a str) -> Option<Sql<'a>> {
    let system = attributes.last_text(Key::DbSystem).filter(|system| SYSTEMS.contains(system))?;
    let connection = attributes.last_text(Key::DbConnectionString).unwrap_or("localhost");
    let database = attributes.last_text(Key::DbName).unwrap_or_default();
    Some(Sql {
        connection_string: format!("{connection}/{database}"),
        url: span_name,
        sanitized_query: attributes.last_text(Key::DbStatement),
        database_type: system,
        user: attributes.last_text(Key::DbUser),
    })
}

#[cfg(test)]
mod tests {
    use super::super::attributes::tests::{attributes, pairs};
    use super::*;

    #[test]
    fn only_databases_that_speak_sql_have_a_block() {
        let of = |texts| sql(attributes(&pairs(texts)), "SELECT orders").map(|sql| sql.connection_string);
        assert_eq!(of(&[("db.system", "redis"), ("db.name", "0")]), None);
        assert_eq!(of(&[("db.name", "shop")]), None);
        assert_eq!(of(&[("db.system", "mysql")]).as_deref(), Some("localhost/"));
        let named = of(&[("db.system", "mysql"), ("db.name", "shop"), ("db.connection_string", "h:1")]);
        assert_eq!(named.as_deref(), Some("h:1/shop"));
    }
}
