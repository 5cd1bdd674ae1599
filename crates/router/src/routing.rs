//! A table made ready for requests: from host and path to a cluster, and on to an instance.

use crate::balance;
use crate::figures::Figures;
use crate::instance::Instance;
use crate::table::Table;
use kiln_names::{InstanceId, PathPrefix};
use rand::Rng;
use std::collections::HashMap;
use std::sync::Arc;

/// Everything one request reads. Never changed, only replaced.
#[derive(Debug, Default)]
pub(crate) struct Routing {
    pub(crate) table: Table,
    pub(crate) figures: Vec<Arc<Figures>>,
    pub(crate) instances: Vec<Arc<Instance>>,
    /// For each host its prefixes, longest first.
    hosts: HashMap<Box<str>, Vec<(PathPrefix, Arc<Cluster>)>>,
}

/// The groups of a cluster that may take traffic.
#[derive(Debug)]
pub(crate) struct Cluster {
    groups: Vec<Group>,
}

/// A group with weight.
#[derive(Debug)]
struct Group {
    weight: u32,
    figures: Arc<Figures>,
    instances: Vec<Arc<Instance>>,
}

impl Routing {
    /// Prepares `table` with the figures of its groups and its instances, both in the table's order.
    pub(crate) fn new(
        table: Table,
        figures: Vec<Arc<Figures>>,
        instances: Vec<Arc<Instance>>,
    ) -> Self {
        let mut hosts: HashMap<Box<str>, Vec<_>> = HashMap::new();
        let (mut next_figures, mut next_instance) = (figures.iter(), instances.iter());
        for cluster in &table.clusters {
            let groups =
                cluster.groups.iter().zip(&mut next_figures).map(|(group, figures)| Group {
                    weight: group.weight,
                    figures: Arc::clone(figures),
                    instances: next_instance
                        .by_ref()
                        .take(group.instances.len())
                        .cloned()
                        .collect(),
                });
            let groups: Vec<Group> = groups.collect();
            let weighted = groups.into_iter().filter(|group| group.weight > 0).collect();
            let ready = Arc::new(Cluster { groups: weighted });
            for route in &cluster.routes {
                let paths = hosts.entry(route.host.as_str().into()).or_default();
                paths.push((route.path.clone(), Arc::clone(&ready)));
            }
        }
        let longest_first = |(path, _): &(PathPrefix, _)| usize::MAX - path.as_str().len();
        hosts.values_mut().for_each(|paths| paths.sort_by_key(longest_first));
        Self { table, figures, instances, hosts }
    }

    /// The cluster that takes a request. The path is compared as it stands in the request, without
    /// decoding or resolving it: routes lead, they do not guard.
    pub(crate) fn find(&self, host: &str, path: &str) -> Option<&Cluster> {
        let paths = self.hosts.get(host)?;
        paths.iter().find(|(prefix, _)| prefix.takes(path)).map(|(_, cluster)| &**cluster)
    }
}

impl Cluster {
    /// An instance for a request, with its group's figures: one that has not been tried and that
    /// traffic could connect to last time, if there is one, or else any that is healthy.
    pub(crate) fn pick(
        &self,
        tried: &[InstanceId],
        rng: &mut impl Rng,
    ) -> Option<(&Arc<Figures>, &Arc<Instance>)> {
        let usable = |instance: &Instance| instance.standing.health().takes_traffic();
        let promising = |instance: &Instance| {
            usable(instance) && !instance.standing.is_suspect() && !tried.contains(&instance.id)
        };
        self.pick_usable(promising, rng).or_else(|| self.pick_usable(usable, rng))
    }

    fn pick_usable(
        &self,
        usable: impl Fn(&Instance) -> bool + Copy,
        rng: &mut impl Rng,
    ) -> Option<(&Arc<Figures>, &Arc<Instance>)> {
        let first = balance::weighted(&self.groups, |group| group.weight, rng)?;
        first.pick(usable, rng).or_else(|| {
            // Shares of groups without a usable instance go to the others in proportion.
            let able = |group: &Group| group.instances.iter().any(|instance| usable(instance));
            let weight = |group: &Group| if able(group) { group.weight } else { 0 };
            balance::weighted(&self.groups, weight, rng)?.pick(usable, rng)
        })
    }
}

impl Group {
    fn pick(
        &self,
        usable: impl Fn(&Instance) -> bool,
        rng: &mut impl Rng,
    ) -> Option<(&Arc<Figures>, &Arc<Instance>)> {
        let load = |instance: &Arc<Instance>| instance.in_flight();
        let picked = balance::pick(&self.instances, |instance| usable(instance), load, rng)?;
        Some((&self.figures, picked))
    }
}
