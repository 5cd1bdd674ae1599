//! Figures from whoever speaks Prometheus's HTTP API (`/api/v1/query`).
//!
//! An answer has `resultType` and `result`; a value is a pair of a time and a number in text. Source:
//! <https://prometheus.io/docs/prometheus/latest/querying/api/>.

use super::http::{Answer, call};
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::Full;
use kiln_deploy::ports::{Measured, Metrics};
use kiln_protocol::configuration::HttpUrl;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read: a single value has some hundred bytes, and so has a label.
const MAX_ANSWER: usize = 1 << 20;
/// How much is told of an error.
const MAX_ERROR: usize = 300;

/// Asks over HTTP.
#[derive(Debug)]
pub(crate) struct PrometheusMetrics;

#[async_trait::async_trait]
impl Metrics for PrometheusMetrics {
    async fn value(&self, url: &HttpUrl, query: &str) -> Measured {
        let nothing = |why: String| Measured::Nothing(format!("{url}: {why}"));
        let request = match request(url, query) {
            Ok(request) => request,
            Err(error) => return nothing(error.to_string()),
        };
        match tokio::time::timeout(PATIENCE, call(request, MAX_ANSWER)).await {
            Ok(Ok(answer)) => measured(&answer),
            Ok(Err(why)) => nothing(why),
            Err(_) => nothing(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }
}

fn request(url: &HttpUrl, query: &str) -> http::Result<Request<Full<bytes::Bytes>>> {
    let base = url.as_str().trim_end_matches('/');
    let body: String =
        form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
    Request::post(format!("{base}/api/v1/query"))
        .header(USER_AGENT, concat!("kiln/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(body.into()))
}

/// What is answered, as far as it is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    data: Option<Data>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Scalar(Sample),
    Vector(Vec<Series>),
    Matrix(IgnoredAny),
    String(IgnoredAny),
}

/// A series has a value, or a histogram.
#[derive(Debug, Deserialize)]
struct Series {
    value: Option<Sample>,
}

/// When, and what.
type Sample = (f64, String);

fn measured(answer: &Answer) -> Measured {
    let Answer { status, body, whole, .. } = answer;
    let response = serde_json::from_slice(body);
    match response {
        _ if !whole => {
            Measured::Nothing("the answer broke off, or is longer than 1 MiB".to_owned())
        }
        Ok(Response { data: Some(data), .. }) if status.is_success() => data.measured(),
        // The query is at fault, today and tomorrow.
        Ok(Response { error: Some(error), .. }) if *status == StatusCode::BAD_REQUEST => {
            let error: String = error.chars().take(MAX_ERROR).collect();
            Measured::Unusable(format!("the query is refused: {error}"))
        }
        Ok(Response { error: Some(error), .. }) => {
            let error: String = error.chars().take(MAX_ERROR).collect();
            Measured::Nothing(format!("answered {status}: {error}"))
        }
        _ => Measured::Nothing(format!("answered {status}, and not as a Prometheus does")),
    }
}

// === impl Data ===

impl Data {
    fn measured(self) -> Measured {
        let one = "a scalar or a vector of one element is wanted";
        let (_, text) = match self {
            Self::Scalar(sample) => sample,
            Self::Vector(series) if series.is_empty() => {
                return Measured::Nothing("there is no such series".to_owned());
            }
            Self::Vector(series) if series.len() > 1 => {
                return Measured::Unusable(format!("it has {} elements: {one}", series.len()));
            }
            Self::Vector(series) => match series.into_iter().find_map(|series| series.value) {
                Some(sample) => sample,
                None => return Measured::Unusable(format!("it is a histogram: {one}")),
            },
            Self::Matrix(_) => {
                return Measured::Unusable(format!("it is a range of values: {one}"));
            }
            Self::String(_) => return Measured::Unusable(format!("it is a string: {one}")),
        };
        text.parse().map_or_else(
            |_| Measured::Nothing("the value is not written as a number".to_owned()),
            Measured::Value,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn answer(status: u16, body: &str, whole: bool) -> Measured {
        let (status, headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
        measured(&Answer { status, headers, body: body.into(), whole })
    }

    fn success(data: &str) -> Measured {
        answer(200, &format!(r#"{{"status":"success","data":{data},"warnings":["w"]}}"#), true)
    }

    fn vector(elements: &str) -> Measured {
        success(&format!(r#"{{"resultType":"vector","result":[{elements}],"stats":{{}}}}"#))
    }

    #[test]
    fn a_scalar_and_a_vector_of_one_are_a_value() {
        let scalar = success(r#"{"resultType":"scalar","result":[1435781451.781,"1"]}"#);
        assert_eq!(scalar, Measured::Value(1.0));
        let one = |value: &str| {
            vector(&format!(r#"{{"metric":{{"job":"a"}},"value":[1435781451,"{value}"]}}"#))
        };
        assert_eq!(one("-1.5e-3"), Measured::Value(-0.0015));
        assert_eq!(one("+Inf"), Measured::Value(f64::INFINITY));
        assert!(matches!(one("NaN"), Measured::Value(value) if value.is_nan()));
    }

    #[test]
    fn an_empty_vector_an_error_and_what_is_no_prometheus_are_nothing() {
        for (measured, told) in [
            (vector(""), "no such series"),
            (answer(503, r#"{"status":"error","error":"query timed out"}"#, true), "timed out"),
            (answer(422, r#"{"status":"error","error":"too many"}"#, true), "answered 422"),
            (answer(200, "<html>", true), "not as a Prometheus does"),
            (answer(404, "", true), "answered 404"),
            (answer(400, "{}", true), "answered 400"),
            (answer(302, r#"{"data":{"resultType":"scalar","result":[1,"1"]}}"#, true), "302"),
            (answer(200, r#"{"status"#, false), "broke off"),
        ] {
            assert!(
                matches!(&measured, Measured::Nothing(why) if why.contains(told)),
                "{measured:?}"
            );
        }
    }

    #[test]
    fn a_query_that_has_no_single_value_is_unusable() {
        let element = r#"{"metric":{},"value":[1,"1"]}"#;
        for (measured, told) in [
            (vector(&format!("{element},{element}")), "it has 2 elements"),
            (vector(r#"{"metric":{},"histogram":[1,{}]}"#), "a histogram"),
            (success(r#"{"resultType":"matrix","result":[]}"#), "a range of values"),
            (success(r#"{"resultType":"string","result":[1,"a"]}"#), "a string"),
            (
                answer(
                    400,
                    r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#,
                    true,
                ),
                "parse error",
            ),
        ] {
            assert!(
                matches!(&measured, Measured::Unusable(why) if why.contains(told)),
                "{measured:?}"
            );
        }
    }
}
