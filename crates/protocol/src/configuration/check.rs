//! What only the image can show to be wrong.

use super::{Configuration, ConfigurationFile, InvalidConfiguration, ScaleBy};
use crate::configuration::params::{CheckChoices, Override, Way};
use crate::document::{Mistake, Place};
use crate::recipe::{ImageProcess, Processes};
use crate::suggest::nearest;
use kiln_names::{AppName, EnvName, ProcessName, Route};
use std::collections::BTreeMap;

impl Configuration {
    /// An image's processes, listening where the configuration says that they do.
    #[must_use]
    pub fn with_ports(&self, mut processes: Processes<ImageProcess>) -> Processes<ImageProcess> {
        for own in self.params.overrides.iter().filter(|own| own.port.is_some()) {
            if let Some(process) = processes.get(&own.process) {
                let process = ImageProcess { port: own.port, ..process.clone() };
                processes.insert(own.process.clone(), process);
            }
        }
        processes
    }

    /// Checks that the configuration fits an image's processes.
    ///
    /// # Errors
    /// The first that does not fit: settings for a process that the image lacks, routes or checks for
    /// one without a port, or one route for two processes.
    pub fn check(
        &self,
        app: &AppName,
        env: &EnvName,
        processes: &Processes<ImageProcess>,
    ) -> Result<(), InvalidConfiguration> {
        let mut overrides = self.params.overrides.iter();
        overrides
            .try_for_each(|own| check_override(own, processes))
            .and_then(|()| self.check_routes(app, env, processes))
            .and_then(|()| self.check_scales(app, env, processes))
            .and_then(|()| self.check_schedules(app, env, processes))
            .map_err(|mistake| ConfigurationFile::Params.invalid(mistake))
    }

    fn check_routes(
        &self,
        app: &AppName,
        env: &EnvName,
        processes: &Processes<ImageProcess>,
    ) -> Result<(), Mistake> {
        let mut taken: BTreeMap<Route, &ProcessName> = BTreeMap::new();
        for (name, process) in processes.iter() {
            for route in self.params.resolve(app, env, name, process.port.is_some()).routes {
                if let Some(other) = taken.get(&route) {
                    let words = format!(
                        "{other} and {name} both take {route}: give one of them routes of its own, \
                         or none with \"routes\": []"
                    );
                    return Err(self.place_of(name).refuse(words));
                }
                taken.insert(route, name);
            }
        }
        Ok(())
    }

    /// Requests are counted where there is a port.
    fn check_scales(
        &self,
        app: &AppName,
        env: &EnvName,
        processes: &Processes<ImageProcess>,
    ) -> Result<(), Mistake> {
        let portless = processes.iter().filter(|(_, process)| process.port.is_none());
        for (name, _) in portless {
            let scale = self.params.resolve(app, env, name, false).scale;
            if scale.is_some_and(|scale| scale.by != ScaleBy::Cpu) {
                let words = format!("{name} has no port and takes no requests to be scaled by");
                return Err(self.place_of(name).refuse(words));
            }
        }
        Ok(())
    }

    /// Whoever has routes has an instance at every time.
    fn check_schedules(
        &self,
        app: &AppName,
        env: &EnvName,
        processes: &Processes<ImageProcess>,
    ) -> Result<(), Mistake> {
        for (name, process) in processes.iter() {
            let params = self.params.resolve(app, env, name, process.port.is_some());
            let none = params.schedule.iter().find(|entry| entry.min == 0);
            if let Some(entry) = none.filter(|_| !params.routes.is_empty()) {
                let words =
                    format!("{name} has routes: nobody would serve them from {} on", entry.at);
                return Err(self.place_of(name).refuse(words));
            }
        }
        Ok(())
    }

    fn place_of(&self, process: &ProcessName) -> Place {
        let top = || Place { line: 1, column: 1, path: String::new() };
        self.params.override_of(process).map_or_else(top, |own| own.place.clone())
    }
}

fn check_override(own: &Override, processes: &Processes<ImageProcess>) -> Result<(), Mistake> {
    let Some(process) = processes.get(&own.process) else {
        return Err(own.place.refuse(absent(&own.process, processes)));
    };
    let choices = &own.choices;
    let routed = choices.routes.as_ref().is_some_and(|routes| !routes.is_empty());
    let unrouted = choices.routes.as_ref().is_some_and(Vec::is_empty);
    // Those that look from inside need none.
    let inside = matches!(choices.health_check.way, Some(Way::Inside(_)));
    let startup = &choices.startup_check;
    let checked = match inside {
        true => startup.way.is_some() || startup.path.is_some(),
        false => {
            [&choices.health_check, startup].into_iter().any(|it| *it != CheckChoices::default())
        }
    };
    match process.port {
        None if routed => Err(own.place.refuse("it has no port in the image, so no routes either")),
        _ if choices.external.is_some() && (unrouted || process.port.is_none()) => {
            Err(own.place.refuse("it has no routes, by which requests for `external` could come"))
        }
        None if checked => Err(own.place.refuse("it has no port in the image to be checked on")),
        _ => Ok(()),
    }
}

fn absent(name: &ProcessName, processes: &Processes<ImageProcess>) -> String {
    let known: Vec<&str> = processes.names().map(ProcessName::as_str).collect();
    match nearest(name.as_str(), known.iter().copied()) {
        Some(near) => format!("the image has no process `{name}`, did you mean `{near}`?"),
        None => format!("the image has no process `{name}`; it has {}", known.join(", ")),
    }
}
