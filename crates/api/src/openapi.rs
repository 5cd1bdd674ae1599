//! The API, described.

use crate::handlers::deployments::ask;
use crate::handlers::{
    apps, backup, bakes, bases, blobs, configuration, deployments, envs, git, health, images, lock,
    logs, registry, routers, running, runs, secrets, volumes,
};
use kiln_protocol::{PROBLEM_JSON, Problem};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::{Content, Object, OpenApi, Ref, RefOr, Required, Response, Type};
use utoipa::{Modify, OpenApi as _};

/// The OpenAPI document.
#[must_use]
pub fn document() -> OpenApi {
    Document::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Kiln",
        description = "Bakes services into images, and swaps them into production.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        health::health, health::openapi, backup::backup,
        apps::create, apps::list, apps::show, apps::delete, apps::get, apps::set, apps::unset,
        envs::create, envs::list, envs::show, envs::delete, envs::check, envs::set,
        bases::bake, bases::list, bakes::bake, blobs::put,
        images::list, images::show, images::remove, images::diff, images::collect,
        images::import, images::export, runs::run, runs::stop,
        configuration::show, configuration::log, configuration::diff, configuration::file,
        configuration::put, configuration::list, git::references, git::fetch, git::push,
        secrets::list, secrets::set, secrets::remove,
        ask::plan, ask::plan_rollback, ask::deploy, ask::rollback, ask::redeploy,
        deployments::undo, deployments::abort, deployments::retry,
        deployments::pause, deployments::resume, lock::show, lock::take, lock::release, ask::stop,
        ask::resize, ask::replace, deployments::list, deployments::show,
        deployments::watch,
        running::status, running::instances, running::capacity, running::drift, logs::logs,
        volumes::list, volumes::remove,
        routers::list, routers::remove, routers::table, routers::report,
        registry::registry, registry::catalog, registry::tags, registry::manifests,
        registry::blobs, registry::base_tags, registry::base_manifests, registry::base_blobs,
    ),
    components(schemas(Problem)),
    modifiers(&Common)
)]
struct Document;

/// What all operations have in common: the names in their path, and how they say no.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut OpenApi) {
        for (path, item) in &mut document.paths.paths {
            for operation in operations(item) {
                name_operation(path, operation);
                name_parameters(path, operation);
                add_problem(operation);
            }
        }
    }
}

/// `list-apps`, `set-apps-metadata`: handlers of one name tell apart by their path.
fn name_operation(path: &str, operation: &mut Operation) {
    let segments = path.trim_start_matches("/v1").trim_start_matches('/').split('/');
    let fixed: Vec<&str> = segments.filter(|segment| !segment.starts_with('{')).collect();
    let verb = operation.operation_id.take().unwrap_or_default();
    operation.operation_id = Some(format!("{verb}-{}", fixed.join("-")));
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, .. } = item;
    [get, put, post, delete].into_iter().flatten()
}

fn name_parameters(path: &str, operation: &mut Operation) {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let named = names.map(|name| {
        let mut parameter = Parameter::new(name);
        parameter.parameter_in = ParameterIn::Path;
        parameter.required = Required::True;
        parameter.schema = Some(Object::with_type(Type::String).into());
        RefOr::T(parameter)
    });
    let parameters = operation.parameters.take().unwrap_or_default();
    let query = parameters.into_iter().filter(|it| !in_path(it));
    operation.parameters = Some(named.chain(query).collect());
}

fn in_path(parameter: &RefOr<Parameter>) -> bool {
    matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Path)
}

fn add_problem(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.description = "Done".to_owned();
        }
    }
    let mut response = Response::new("A problem document");
    let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
    response.content.insert(PROBLEM_JSON.to_owned(), RefOr::T(Content::new(Some(schema))));
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_path_that_is_served_is_described_and_the_other_way_round() {
        let served: BTreeSet<_> =
            crate::routes::table().into_iter().map(|(path, ..)| path).collect();
        let document = document();
        let described: BTreeSet<_> = document.paths.paths.keys().map(String::as_str).collect();
        assert_eq!(served, described);
    }

    #[test]
    fn every_name_in_a_path_is_a_parameter_and_every_operation_may_say_no() {
        let mut document = document();
        let mut ids = BTreeSet::new();
        for (path, item) in &mut document.paths.paths {
            for operation in operations(item) {
                let parameters = operation.parameters.clone().unwrap_or_default();
                let named = parameters.iter().filter(|it| in_path(it));
                assert_eq!(named.count(), path.matches('{').count(), "{path}");
                assert!(operation.responses.responses.contains_key("default"), "{path}");
                assert!(operation.summary.is_some(), "{path}");
                assert!(ids.insert(operation.operation_id.clone()), "{path}");
            }
        }
    }
}
