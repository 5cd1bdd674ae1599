//! Who is asked for figures that Kiln does not count itself.

use kiln_protocol::configuration::HttpUrl;

/// What became of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Measured {
    /// A number, which may be infinite, or none at all.
    Value(f64),
    /// There is nothing now; later there may be. Why, in words.
    Nothing(String),
    /// The expression is not one that has a single value. Why, in words.
    Unusable(String),
}

/// Answers expressions.
#[async_trait::async_trait]
pub trait Metrics: Send + Sync + std::fmt::Debug {
    /// The value of an expression of Prometheus's language now, within some seconds.
    async fn value(&self, url: &HttpUrl, query: &str) -> Measured;
}
